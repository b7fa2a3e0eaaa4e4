(function () {
  const slider = document.getElementById("slider"), value = document.getElementById("slider-value");
  const state = document.getElementById("slider-state");
  const share = (some, of) => of ? (some / of).toFixed(2) + " (" + some + " of " + of + ")" : "undefined (0 patients)";
  function show(threshold, locked) {
    let tp = 0, fp = 0, fn = 0, tn = 0;
    DATA.scores.forEach((score, i) => {
      const positive = score >= threshold;
      if (DATA.y[i]) positive ? tp++ : fn++; else positive ? fp++ : tn++;
    });
    const put = (id, text) => { document.getElementById(id).textContent = text; };
    put("tp", tp); put("fp", fp); put("fn", fn); put("tn", tn);
    put("sensitivity", share(tp, tp + fn)); put("specificity", share(tn, tn + fp));
    put("ppv", share(tp, tp + fp)); put("npv", share(tn, tn + fn));
    value.textContent = threshold.toFixed(3);
    locked = locked && DATA.known;
    state.textContent = locked ? "locked: fixed before the test patients were seen" : "exploratory: chosen on the test patients";
    state.classList.toggle("exploratory", !locked);
  }
  slider.addEventListener("input", () => show(Number(slider.value), false));
  document.getElementById("slider-back").addEventListener("click", () => { slider.value = DATA.locked; show(DATA.locked, true); });
  show(DATA.locked, true);
})();
