"""The built-in components, registered through the same hook as those of plugins."""

from __future__ import annotations

from echokit.plugins.file_format import Magic
from echokit.plugins.hookspecs import Register, hookimpl

DATASETS = (
    (
        "echonet_dynamic",
        "echokit.data.cohort.echonet_dynamic:EchonetDynamic",
        "a directory in the layout of EchoNet-Dynamic",
    ),
    (
        "echonet_pediatric",
        "echokit.data.cohort.echonet_pediatric:EchonetPediatric",
        "a directory in the layout of EchoNet-Pediatric",
    ),
    ("camus", "echokit.data.cohort.camus:Camus", "a directory in the layout of CAMUS"),
    ("table", "echokit.data.cohort.hospital_table:Table", "a CSV or Parquet table of your own videos"),
    ("phantom", "echokit.phantom.dataset:Phantom", "synthetic beating hearts (PHANTOM DATA)"),
)

PREPROCESSORS = (
    ("trim", "trim:Trim", "keep the first frames"),
    ("resample", "resample_rate:Resample", "resample to another frame rate"),
    ("resize", "resize:Resize", "resize the frames"),
    ("optical_flow", "optical_flow:OpticalFlow", "compute optical flow as a second stream"),
)

MASKS = (
    ("motion_mask", "motion_mask:MotionMask", "set everything but moving tissue to zero"),
    ("sector_mask", "sector_mask:SectorMask", "set everything outside the ultrasound sector to zero"),
    ("random_mask", "random_mask:RandomMask", "control: set everything outside a random ellipse to zero"),
    ("no_mask", "no_mask:NoMask", "control: leave the frames unchanged"),
)

AUGMENTATIONS = (
    ("pad_and_crop", "pad_and_crop:PadAndCrop", "random translation by padding and cropping"),
    ("rotate", "rotate:Rotate", "random rotation, flow vectors included"),
    ("gain", "gain:Gain", "random brightness and contrast"),
    ("random_apply", "random_apply:RandomApply", "another augmentation, with a probability"),
)

BACKBONES = (
    *(
        (f"resnet{n}", f"preact_resnet:ResNet{n}", f"the reference study's pre-activation 3D ResNet, {n} layers")
        for n in (18, 34, 50, 101, 152)
    ),
    ("r3d_18", "torchvision_resnet:R3D18", "torchvision's 3D ResNet, 18 layers"),
    ("mc3_18", "torchvision_resnet:MC318", "torchvision's ResNet of mixed 3D and 2D convolutions, 18 layers"),
    ("r2plus1d_18", "torchvision_resnet:R2Plus1D18", "torchvision's R(2+1)D, 18 layers, as in echonet/dynamic"),
    ("s3d", "torchvision_s3d:S3D", "torchvision's separable 3D Inception network (S3D)"),
    ("mvit_v2_s", "torchvision_transformers:MViTV2S", "torchvision's Multiscale Vision Transformer v2, small"),
    ("swin3d_t", "torchvision_transformers:Swin3DT", "torchvision's Video Swin Transformer, tiny"),
    ("slow_r50", "pytorchvideo_resnet:SlowR50", "pytorchvideo's Slow, 50 layers"),
    ("c2d_r50", "pytorchvideo_resnet:C2DR50", "pytorchvideo's frame-by-frame ResNet (C2D), 50 layers"),
    ("i3d_r50", "pytorchvideo_resnet:I3DR50", "pytorchvideo's I3D, 50 layers"),
    ("csn_r101", "pytorchvideo_resnet:CSNR101", "pytorchvideo's channel-separated network, 101 layers"),
    ("r2plus1d_r50", "pytorchvideo_resnet:R2Plus1DR50", "pytorchvideo's R(2+1)D, 50 layers"),
    ("slowfast_r50", "pytorchvideo_slowfast:SlowFastR50", "pytorchvideo's SlowFast, 50 layers"),
    ("x3d_xs", "pytorchvideo_x3d:X3DXS", "pytorchvideo's X3D-XS"),
    ("x3d_s", "pytorchvideo_x3d:X3DS", "pytorchvideo's X3D-S"),
    ("x3d_m", "pytorchvideo_x3d:X3DM", "pytorchvideo's X3D-M"),
    ("x3d_l", "pytorchvideo_x3d:X3DL", "pytorchvideo's X3D-L"),
    ("mvit", "pytorchvideo_mvit:MViT", "pytorchvideo's Multiscale Vision Transformer, base"),
    ("timm", "timm_frames:Timm", "any image model of timm, applied frame by frame"),
)

OPTIMIZERS = (
    ("adam", "Adam", "Adam, with weight decay added to the gradient"),
    ("adamw", "AdamW", "Adam, with weight decay decoupled from the gradient"),
    ("sgd", "SGD", "stochastic gradient descent, with or without momentum"),
)

RESAMPLERS = (
    ("official", "official:Official", "the dataset's own split"),
    ("holdout", "holdout:Holdout", "one random split by patient"),
    ("kfold", "kfold:KFold", "k-fold cross-validation by patient"),
    ("repeated_kfold", "kfold:RepeatedKFold", "repeated k-fold cross-validation by patient"),
    ("nested", "nested:Nested", "nested k-fold cross-validation with a hyperparameter search"),
    ("leave_one_out", "leave_out:LeaveOneOut", "leave-one-patient-out; Brier score and log loss only"),
    ("leave_pair_out", "leave_out:LeavePairOut", "leave-pair-out for the AUROC; frozen backbones only"),
)

EVALUATORS = (
    ("accuracy", "Accuracy", "share of correct classifications"),
    ("auroc", "Auroc", "area under the ROC curve"),
    ("auprc", "Auprc", "average precision of the positive class"),
    ("balanced_accuracy", "BalancedAccuracy", "mean of sensitivity and specificity"),
    ("sensitivity", "Sensitivity", "true-positive rate (recall)"),
    ("specificity", "Specificity", "true-negative rate"),
    ("ppv", "Ppv", "positive predictive value (precision)"),
    ("npv", "Npv", "negative predictive value"),
    ("f1", "F1", "harmonic mean of precision and recall"),
    ("mcc", "Mcc", "Matthews correlation coefficient"),
    ("brier", "Brier", "mean squared error of the predicted probabilities"),
    ("log_loss", "LogLoss", "cross-entropy of the predicted probabilities"),
    ("calibration", "Calibration", "observed/expected ratio, calibration slope, intercept and curve"),
    ("net_benefit", "NetBenefit", "net benefit at the threshold, decision curve"),
    ("confusion", "Confusion", "confusion matrix"),
    ("mae", "Mae", "mean absolute error"),
    ("rmse", "Rmse", "root mean squared error"),
    ("r2", "R2", "coefficient of determination"),
    ("bland_altman", "BlandAltman", "bias and limits of agreement"),
    ("subgroups", "Subgroups", "other metrics in subgroups of the patients"),
    ("study_compat", "StudyCompat", "the three AUPRC conventions of the reference study"),
    ("ef_cutoffs", "EfCutoffs", "classification metrics at EF cut-offs of 35, 40, 45 and 50 %"),
)

AGGREGATORS = (
    ("kfold_mean_sd", "MeanSd", "mean and sample SD over folds, as in the study"),
    ("kfold_within", "Within", "AUROC among patients of the same fold, with an interval"),
    ("kfold_pooled", "Pooled", "proportions of all test patients, with an interval; AUROC across folds"),
)

READERS: tuple[tuple[str, str, Magic, tuple[str, ...], str], ...] = (
    ("avi", "Avi", {0: b"RIFF", 8: b"AVI "}, (".avi",), "AVI files"),
    ("mp4", "Mp4", {4: b"ftyp"}, (".mp4", ".mov", ".m4v"), "MP4 and QuickTime files"),
    ("dicom", "Dicom", {128: b"DICM"}, (".dcm", ".dicom", ".ima"), "DICOM files"),
    (
        "nifti",
        "Nifti",
        ({344: b"n+1\0"}, {344: b"ni1\0"}, {0: b"\x1f\x8b"}),
        (".nii", ".nii.gz"),
        "NIfTI files (x, y, time), compressed or not",
    ),
)

FOLDER_READERS: tuple[tuple[str, str, Magic, str], ...] = (
    ("frames", "Frames", ({0: b"\xff\xd8\xff"}, {0: b"\x89PNG\r\n\x1a\n"}), "a folder of numbered JPG or PNG frames"),
    ("dicom_series", "DicomSeries", {128: b"DICM"}, "a folder with the DICOM files of one series"),
)


THRESHOLD_RULES = (
    ("youden", "Youden", "largest sensitivity + specificity - 1"),
    ("sensitivity_at", "SensitivityAt", "highest threshold with at least a sensitivity"),
    ("specificity_at", "SpecificityAt", "lowest threshold with at least a specificity"),
)

CALIBRATORS = (
    ("platt", "platt:Platt", "logistic model of the class by the score"),
    ("normal", "normal:Normal", "linear model of the value by its estimate, with normal errors"),
)

CALLBACKS = (
    ("tensorboard", "TensorBoard", "tracker: writes the numbers of every epoch for TensorBoard"),
    ("mlflow", "MLflow", "tracker: sends the numbers of every epoch to MLflow"),
    ("wandb", "Wandb", "tracker: sends the numbers of every epoch to Weights & Biases"),
)


@hookimpl
def echokit_components(register: Register) -> None:
    """Register the built-in components."""
    for name, target, summary in DATASETS:
        register.dataset(name, target, summary=summary)
    for name, target, summary in PREPROCESSORS:
        register.preprocessor(name, f"echokit.data.preprocess.{target}", summary=summary)
    for name, target, summary in MASKS:
        register.mask(name, f"echokit.data.preprocess.{target}", summary=summary)
    register.sampler("window", "echokit.data.sampling.window_sampler:Window", summary="windows of consecutive frames")
    for name, target, summary in AUGMENTATIONS:
        register.augmentation(name, f"echokit.data.sampling.{target}", summary=summary)
    for name, target, summary in BACKBONES:
        register.backbone(name, f"echokit.models.backbones.{target}", summary=summary)
    register.fusion(
        "two_stream", "echokit.models.fusions.fusions:TwoStream", summary="video and flow, features concatenated"
    )
    register.fusion("single_stream", "echokit.models.fusions.fusions:SingleStream", summary="one stream")
    for name, class_name, summary in (
        ("cross_entropy", "CrossEntropy", "binary classification"),
        ("ef_regression", "EfRegression", "regression of the ejection fraction"),
        ("multi_task", "MultiTask", "classification and regression of the ejection fraction together"),
    ):
        register.objective(name, f"echokit.training.objectives.{name}:{class_name}", summary=summary)
    for name, class_name, summary in OPTIMIZERS:
        register.optimizer(name, f"echokit.training.optimizers.torch_optimizers:{class_name}", summary=summary)
    register.scheduler("constant", "echokit.training.schedulers.constant:Constant", summary="a constant learning rate")
    register.scheduler(
        "one_cycle",
        "echokit.training.schedulers.one_cycle:OneCycle",
        summary="rise to the learning rate, then fall, along cosines",
    )
    for name, target, summary in RESAMPLERS:
        register.resampler(name, f"echokit.data.splits.{target}", summary=summary)
    for name, class_name, summary in EVALUATORS:
        register.evaluator(name, f"echokit.evaluation.metrics.{name}:{class_name}", summary=summary)
    for name, class_name, summary in THRESHOLD_RULES:
        register.threshold_rule(name, f"echokit.evaluation.threshold_rules.{name}:{class_name}", summary=summary)
    for name, target, summary in CALIBRATORS:
        register.calibrator(name, f"echokit.training.calibrators.{target}", summary=summary)
    for name, class_name, summary in AGGREGATORS:
        register.aggregator(name, f"echokit.evaluation.aggregators:{class_name}", summary=summary)
    for name, class_name, magic, suffixes, summary in READERS:
        register.reader(
            name, f"echokit.data.video.formats:{class_name}", magic=magic, suffixes=suffixes, summary=summary
        )
    for name, class_name, magic, summary in FOLDER_READERS:
        register.reader(name, f"echokit.data.video.formats:{class_name}", magic=magic, folder=True, summary=summary)
    for name, class_name, summary in CALLBACKS:
        register.callback(name, f"echokit.training.trackers.accelerate_trackers:{class_name}", summary=summary)
