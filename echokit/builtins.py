"""What echokit ships, registered through the same hook as everybody else's components."""

from __future__ import annotations

from echokit.hooks import Register, hookimpl

LIBRARY_BACKBONES = (
    ("r3d_18", "torchvision_resnet:R3D18", "torchvision's 3D ResNet, 18 layers"),
    ("mc3_18", "torchvision_resnet:MC318", "torchvision's ResNet of mixed 3D and 2D convolutions, 18 layers"),
    ("r2plus1d_18", "torchvision_resnet:R2Plus1D18", "torchvision's R(2+1)D, 18 layers, as in echonet/dynamic"),
    ("s3d", "torchvision_s3d:S3D", "torchvision's separable inception network"),
    ("mvit_v2_s", "torchvision_transformers:MViTV2S", "torchvision's multiscale transformer v2, small"),
    ("swin3d_t", "torchvision_transformers:Swin3DT", "torchvision's transformer of shifted windows, tiny"),
    ("slow_r50", "pytorchvideo_resnet:SlowR50", "pytorchvideo's Slow, 50 layers"),
    ("c2d_r50", "pytorchvideo_resnet:C2DR50", "pytorchvideo's frame-by-frame ResNet, 50 layers"),
    ("i3d_r50", "pytorchvideo_resnet:I3DR50", "pytorchvideo's I3D, 50 layers"),
    ("csn_r101", "pytorchvideo_resnet:CSNR101", "pytorchvideo's channel-separated network, 101 layers"),
    ("r2plus1d_r50", "pytorchvideo_resnet:R2Plus1DR50", "pytorchvideo's R(2+1)D, 50 layers"),
    ("slowfast_r50", "pytorchvideo_slowfast:SlowFastR50", "pytorchvideo's SlowFast, 50 layers"),
    ("x3d_xs", "pytorchvideo_x3d:X3DXS", "pytorchvideo's X3D-XS"),
    ("x3d_s", "pytorchvideo_x3d:X3DS", "pytorchvideo's X3D-S"),
    ("x3d_m", "pytorchvideo_x3d:X3DM", "pytorchvideo's X3D-M"),
    ("x3d_l", "pytorchvideo_x3d:X3DL", "pytorchvideo's X3D-L"),
    ("mvit", "pytorchvideo_mvit:MViT", "pytorchvideo's multiscale transformer, base"),
    ("timm", "timm_frames:Timm", "any image model of timm, frame by frame"),
)

EVALUATORS = (
    ("balanced_accuracy", "BalancedAccuracy", "mean of sensitivity and specificity"),
    ("sensitivity", "Sensitivity", "share of the positive patients that are found"),
    ("specificity", "Specificity", "share of the negative patients that are left alone"),
    ("ppv", "Ppv", "how often a positive call is right"),
    ("npv", "Npv", "how often a negative call is right"),
    ("f1", "F1", "harmonic mean of precision and recall"),
    ("mcc", "Mcc", "Matthews correlation coefficient"),
    ("brier", "Brier", "mean squared error of the probability"),
    ("log_loss", "LogLoss", "mean surprise of the probability"),
    ("calibration", "Calibration", "observed over expected events, slope, intercept, curve"),
    ("net_benefit", "NetBenefit", "worth of acting on the calls, decision curve"),
    ("confusion", "Confusion", "the four counts of the confusion matrix"),
    ("mae", "Mae", "mean absolute error of the estimate"),
    ("rmse", "Rmse", "root mean squared error of the estimate"),
    ("r2", "R2", "share of the variance that the estimate explains"),
    ("bland_altman", "BlandAltman", "bias and limits of agreement of the estimate"),
    ("subgroups", "Subgroups", "other metrics, in parts of the patients"),
    ("study_compat", "StudyCompat", "the study's three conventions of AUPRC"),
)


@hookimpl
def echokit_components(register: Register) -> None:
    """Register the built-in components."""
    register.dataset(
        "echonet_dynamic",
        "echokit.cohort.echonet_dynamic:EchonetDynamic",
        summary="a directory in the layout of EchoNet-Dynamic",
    )
    register.dataset(
        "echonet_pediatric",
        "echokit.cohort.echonet_pediatric:EchonetPediatric",
        summary="a directory in the layout of EchoNet-Pediatric",
    )
    register.dataset("camus", "echokit.cohort.camus:Camus", summary="a directory in the layout of CAMUS")
    register.dataset("table", "echokit.cohort.table:Table", summary="a CSV or Parquet table of your own videos")
    register.dataset("phantom", "echokit.phantom.dataset:Phantom", summary="synthetic beating hearts (PHANTOM DATA)")

    register.preprocessor("trim", "echokit.preprocess.trim:Trim", summary="keep the first frames")
    register.preprocessor("resample", "echokit.preprocess.resample:Resample", summary="change the frame rate")
    register.preprocessor("resize", "echokit.preprocess.resize:Resize", summary="change the picture's size")
    register.preprocessor(
        "motion_mask",
        "echokit.preprocess.motion_mask:MotionMask",
        mask=True,
        summary="blank what does not move with the heart",
    )
    register.preprocessor(
        "sector_mask", "echokit.preprocess.sector_mask:SectorMask", mask=True, summary="blank what is not the fan"
    )
    register.preprocessor(
        "random_mask",
        "echokit.preprocess.random_mask:RandomMask",
        mask=True,
        summary="a control: blank all but an ellipse at a random place",
    )
    register.preprocessor("no_mask", "echokit.preprocess.no_mask:NoMask", mask=True, summary="a control: blank nothing")
    register.preprocessor(
        "optical_flow", "echokit.preprocess.optical_flow:OpticalFlow", summary="derive the flow stream"
    )

    register.sampler("window", "echokit.sampling.window:Window", summary="frames in a row")

    register.augmentation(
        "pad_and_crop", "echokit.sampling.pad_and_crop:PadAndCrop", summary="move the picture a little"
    )
    register.augmentation(
        "rotate", "echokit.sampling.rotate:Rotate", summary="turn the picture a little, flow included"
    )
    register.augmentation("gain", "echokit.sampling.gain:Gain", summary="change brightness and contrast")
    register.augmentation("speckle", "echokit.sampling.speckle:Speckle", summary="add multiplicative noise")

    for depth in (18, 34, 50, 101, 152):
        register.backbone(
            f"resnet{depth}",
            f"echokit.models.preact_resnet:ResNet{depth}",
            summary=f"the study's pre-activation 3D ResNet, {depth} layers",
        )
    for name, place, summary in LIBRARY_BACKBONES:
        register.backbone(name, f"echokit.models.{place}", summary=summary)
    register.fusion("two_stream", "echokit.models.fusion:TwoStream", summary="video and flow, features joined")
    register.fusion("single_stream", "echokit.models.fusion:SingleStream", summary="one stream alone")

    register.objective(
        "cross_entropy", "echokit.objectives.cross_entropy:CrossEntropy", summary="tell two classes apart"
    )
    register.objective(
        "ef_regression", "echokit.objectives.ef_regression:EfRegression", summary="estimate the ejection fraction"
    )
    register.objective(
        "multi_task", "echokit.objectives.multi_task:MultiTask", summary="the class and the ejection fraction together"
    )

    register.resampler("official", "echokit.resample.official:Official", summary="the dataset's own division")
    register.resampler("holdout", "echokit.resample.holdout:Holdout", summary="one random division by patient")
    register.resampler("kfold", "echokit.resample.kfold:KFold", summary="every patient is tested once, in k folds")
    register.resampler("repeated_kfold", "echokit.resample.kfold:RepeatedKFold", summary="k folds, divided repeatedly")
    register.resampler(
        "nested", "echokit.resample.nested:Nested", summary="k folds that choose hyperparameters inside themselves"
    )
    register.resampler(
        "leave_one_out",
        "echokit.resample.leave_out:LeaveOneOut",
        summary="every patient alone; Brier and log loss only",
    )
    register.resampler(
        "leave_pair_out",
        "echokit.resample.leave_out:LeavePairOut",
        summary="every mixed pair; AUROC of a frozen backbone",
    )

    register.evaluator("accuracy", "echokit.evaluate.accuracy:Accuracy", summary="share called right")
    register.evaluator("auroc", "echokit.evaluate.auroc:Auroc", summary="area under the ROC curve")
    register.evaluator("auprc", "echokit.evaluate.auprc:Auprc", summary="average precision of the positive class")
    for name, place, summary in EVALUATORS:
        register.evaluator(name, f"echokit.evaluate.{name}:{place}", summary=summary)
    register.evaluator("ef_cutoffs", "echokit.evaluate.ef_cutoffs:EfCutoffs", summary="one run at EF 35, 40, 45 and 50")
