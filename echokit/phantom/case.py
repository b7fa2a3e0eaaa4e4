"""Draw synthetic patients: all random numbers of a case apart from pixel noise.

The view's ejection fraction is drawn first and alone; size, wall, rhythm, pose, machine and disturbance are
drawn after it from their own distributions, so that none of them predicts the ejection fraction.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np

EjectionFractions = Literal["realistic", "wide"]

# Frame rates and their weights: lower than EchoNet's usual 50 so that 38 frames nearly always hold a whole beat,
# and so that the heart moves more from frame to frame than breathing and hand do.
FRAME_RATES = (25, 28, 30, 33, 40, 50)
FRAME_RATE_WEIGHTS = (0.15, 0.20, 0.32, 0.18, 0.10, 0.05)
FRAMES = (52, 80)
BEAT_MARGIN = 1.12  # frames needed, in mean beats, so that one end-diastole and one end-systole are surely shown


@dataclass(frozen=True, slots=True)
class PhantomCase:
    """One synthetic heart, the machine that shows it and the probe's motion.

    Lengths are mm, volumes ml, angles radians, times seconds, levels dB.

    Attributes:
        seed, index: What the case was drawn from; they also seed its pixel noise.
        size: Height and width of a frame in pixels.
        frames, fps: Length and frame rate of the video.
        ef: Ejection fraction of the rendered view in %, between true end-diastole and true end-systole.
        edv: End-diastolic volume of the rendered view in ml.
        length: End-diastolic length of the left ventricle in the view.
        truncation: Height of the mitral plane in the unit sphere that the ventricle is an image of (0 = equator).
        foreshortening_angle: Angle between the view and the long axis in that unit sphere; 0 shows the true apex.
        out_of_plane: Out-of-plane over in-plane diameter at end-diastole.
        out_of_plane_change: The same ratio at end-systole relative to end-diastole.
        shortening: Long-axis shortening of the view in systole, a fraction.
        wall: End-diastolic wall thickness.
        bend: Bow of the septum and lateral wall towards lateral.
        rv_width, rv_motion, tricuspid_motion: Width of the right ventricle, the fraction that its free wall moves
            inward, and the surplus of its annulus motion over the mitral one.
        la_width, la_height, ra_width, ra_height: Semi-axes of the atria.
        mitral_opening, early_filling: How far the leaflets open; the share of filling before atrial contraction.
        heart_rate, systole, rhythm_jitter, first_phase: Beats a minute, share of the cycle up to aortic closure,
            SD of the beat length as a fraction, phase of the first frame.
        depth, half_angle: Depth and half opening angle of the sector.
        x, y, tilt: Position of the ventricle's apex in the sector, and angle of its long axis.
        drift_x, drift_y, rocking: Amplitudes of the slow motion of breathing and hand; rocking turns the probe.
        drift_rates, drift_phases: Its two frequencies in Hz and their phases.
        swing_x, swing_y, swing_tilt, swing_lag: Whole-heart motion with each beat that is not contraction.
        gain, dynamic_range, attenuation, noise: Machine settings and loss: dB, dB, dB/mm, dB of the noise floor.
        clutter, haze: Level of near-field clutter and of haze over the cavities.
        dropout, dropout_angle, dropout_width: Depth in dB and place of a shadow over the lateral wall.
        fading, dropout_drift: Amplitudes of the slow change of contact: of the gain, and of the shadow's place.
        septum, myocardium, pericardium: Echo levels of the tissues.
        decorrelation: Share of the speckle that is renewed from frame to frame.
    """

    seed: int
    index: int
    size: int
    frames: int
    fps: int
    ef: float
    edv: float
    length: float
    truncation: float
    foreshortening_angle: float
    out_of_plane: float
    out_of_plane_change: float
    shortening: float
    wall: float
    bend: float
    rv_width: float
    rv_motion: float
    tricuspid_motion: float
    la_width: float
    la_height: float
    ra_width: float
    ra_height: float
    mitral_opening: float
    early_filling: float
    heart_rate: float
    systole: float
    rhythm_jitter: float
    first_phase: float
    depth: float
    half_angle: float
    x: float
    y: float
    tilt: float
    drift_x: float
    drift_y: float
    rocking: float
    drift_rates: tuple[float, float]
    drift_phases: tuple[float, ...]
    swing_x: float
    swing_y: float
    swing_tilt: float
    swing_lag: float
    gain: float
    dynamic_range: float
    attenuation: float
    noise: float
    clutter: float
    haze: float
    dropout: float
    dropout_angle: float
    dropout_width: float
    fading: float
    dropout_drift: float
    septum: float
    myocardium: float
    pericardium: float
    decorrelation: float

    @property
    def name(self) -> str:
        """The case's file name without extension, as in EchoNet-Dynamic.

        ``0X`` and 16 hexadecimal digits.
        """
        digest = hashlib.blake2b(f"{self.seed}:{self.index}".encode(), digest_size=8)
        return "0X" + digest.hexdigest().upper()


def random_stream(seed: int, *key: int) -> np.random.Generator:
    """Return the random generator of (seed, key), independent of all other keys."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=key)))


def sample_ef(rng: np.random.Generator, distribution: EjectionFractions) -> float:
    """Draw one ejection fraction in %.

    ``realistic`` is a mixture of two normal distributions fitted to the published moments of EchoNet-Dynamic
    (mean 55.75, SD 12.37, 22.4 % below 50), within its range of 6.9 to 97. ``wide`` puts 47 % of the cases into
    15..45, 47 % into 55..80 and 6 % between, so that a small model can learn from few videos.
    """
    if distribution == "wide":
        group, place = rng.random(), rng.random()
        if group < 0.06:
            return 45 + 10 * place
        return 15 + 30 * place if group < 0.53 else 55 + 25 * place
    while True:
        healthy = rng.random() < 0.7817
        ef = rng.normal(60.91, 6.32) if healthy else rng.normal(37.30, 11.05)
        if 6.9 <= ef <= 97:
            return float(ef)


def sample_case(
    seed: int,
    index: int,
    *,
    ef: EjectionFractions = "realistic",
    size: int = 112,
    frames: tuple[int, int] | None = None,
) -> PhantomCase:
    """Draw case ``index`` of ``seed``, independent of the number of cases.

    The frame rate is one of 25 to 50 (EchoNet: 18 to 138, mostly 50) and is lowered if ``frames`` would not hold a
    whole beat; most videos show one within their first 38 frames.

    Args:
        seed: Seed of the whole data set, >= 0.
        index: Number of the case, >= 0.
        ef: Distribution of the ejection fraction.
        size: Height and width of a frame in pixels.
        frames: Smallest and largest number of frames; None for 52 to 80 (EchoNet: median 171).
    """
    rng = random_stream(seed, index, 0)
    target = sample_ef(rng, ef)

    def normal(mean: float, sd: float, low: float, high: float) -> float:
        while True:
            value = rng.normal(mean, sd)
            if low <= value <= high:
                return float(value)

    def uniform(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    low, high = frames or FRAMES
    count = int(rng.integers(low, high + 1))
    heart_rate = normal(82, 13, 52, 125)
    fps = int(rng.choice(FRAME_RATES, p=FRAME_RATE_WEIGHTS))
    fps = max(1, min(fps, int(count * heart_rate / 60 / BEAT_MARGIN)))
    edv = float(np.exp(normal(np.log(95), 0.27, np.log(50), np.log(190))))
    emptied = target / 100
    # Part of the long-axis motion belongs to the heart, part to its EF; it can never outrun the emptying itself.
    shortening = min(uniform(0.03, 0.09) + uniform(0.10, 0.20) * emptied, 0.6 * emptied)
    half_angle = uniform(0.64, 0.80)
    return PhantomCase(
        seed=seed,
        index=index,
        size=size,
        frames=count,
        fps=fps,
        ef=target,
        edv=edv,
        # Ventricles of one shape are longer as the cube root of their volume.
        length=82 * (edv / 95) ** (1 / 3) * normal(1, 0.06, 0.86, 1.14),
        truncation=uniform(0.42, 0.62),
        foreshortening_angle=abs(normal(0, 0.22, -0.5, 0.5)),
        out_of_plane=normal(1, 0.08, 0.8, 1.2),
        out_of_plane_change=normal(1, 0.05, 0.85, 1.15),
        shortening=shortening,
        wall=normal(9.5, 1.3, 6.5, 13.5),
        bend=normal(1.5, 2.0, -3, 6),
        rv_width=normal(31, 4, 22, 42),
        rv_motion=uniform(0.08, 0.30),
        tricuspid_motion=uniform(-0.1, 0.5),
        la_width=normal(20, 2.5, 14, 27),
        la_height=normal(22, 3, 15, 30),
        ra_width=normal(20, 2.5, 14, 27),
        ra_height=normal(21, 3, 15, 29),
        mitral_opening=uniform(0.72, 1.0),
        early_filling=uniform(0.45, 0.8),
        heart_rate=heart_rate,
        systole=normal(0.37, 0.025, 0.31, 0.43),
        rhythm_jitter=uniform(0.0, 0.03),
        first_phase=uniform(0, 1),
        depth=normal(162, 11, 140, 190),
        half_angle=half_angle,
        x=normal(7, 3, -2, 15),
        y=normal(20, 3, 13, 30),
        tilt=normal(0.08, 0.10, -0.15, 0.32),
        drift_x=uniform(0, 5),
        drift_y=uniform(0, 9),
        rocking=uniform(0, 0.24),
        drift_rates=(uniform(0.22, 0.38), uniform(0.4, 0.7)),
        drift_phases=tuple(uniform(0, 2 * np.pi) for _ in range(10)),
        swing_x=uniform(-2.5, 2.5),
        swing_y=uniform(-2, 2),
        swing_tilt=uniform(-0.03, 0.03),
        swing_lag=uniform(0, 0.15),
        gain=normal(0, 3, -6, 6),
        dynamic_range=uniform(46, 58),
        attenuation=uniform(0.0, 0.06),
        noise=uniform(-58, -46),
        clutter=uniform(-26, -12),
        haze=uniform(-48, -38),
        dropout=uniform(0, 16),
        dropout_angle=uniform(0.2, 0.95) * half_angle,
        dropout_width=uniform(0.05, 0.14),
        fading=uniform(0, 5),
        dropout_drift=uniform(0, 0.25),
        septum=uniform(-15, -9),
        myocardium=uniform(-23, -17),
        pericardium=uniform(-12, -5),
        decorrelation=uniform(0.03, 0.12),
    )
