"""The built-in metrics by name, and what stands in for their weights in the conformance kit: all as strings."""

from operator import attrgetter
from pathlib import Path

CONVENTIONS = sorted(map(attrgetter("stem"), Path(__file__).with_name("conventions").glob("*.toml")))
"""The built-in metrics that a file of conventions makes."""

BUILTIN = {
    "aesthetic": "editmetrics.plugins.aesthetic:Aesthetic",
    "blip_score": "editmetrics.plugins.blip_score:BLIPScore",
    "brisque": "editmetrics.plugins.brisque:BRISQUE",
    "clip_direction": "editmetrics.plugins.clip_direction:CLIPDirection",
    "clip_image": "editmetrics.plugins.clip_image:CLIPImage",
    "clip_iqa": "editmetrics.plugins.clip_iqa:CLIPIQA",
    "clip_score": "editmetrics.plugins.clip_score:CLIPScore",
    "clip_text": "editmetrics.plugins.clip_text:CLIPText",
    "cmmd": "editmetrics.plugins.cmmd:CMMD",
    "cw_ssim": "editmetrics.plugins.cw_ssim:CWSSIM",
    "dino_image": "editmetrics.plugins.dino_image:DINOImage",
    "dists": "editmetrics.plugins.dists:DISTS",
    "dreamsim": "editmetrics.plugins.dreamsim:DreamSim",
    "ds_ieqa": "editmetrics.plugins.ds_ieqa.metric:DSIEQA",
    "edit_hf": "editmetrics.plugins.edit_hf.metric:EditHF",
    "epaiqa": "editmetrics.plugins.epaiqa.metric:EPAIQA",
    "face_identity": "editmetrics.plugins.face_identity:FaceIdentity",
    "fd_dinov2": "editmetrics.plugins.fd_dinov2:FDDINOv2",
    "fid": "editmetrics.plugins.fid:FID",
    "fsim": "editmetrics.plugins.fsim:FSIM",
    "gmsd": "editmetrics.plugins.gmsd:GMSD",
    "haarpsi": "editmetrics.plugins.haarpsi:HaarPSI",
    "hpe_lsa": "editmetrics.plugins.hpe_lsa.metric:HPELSA",
    "hps_v2": "editmetrics.plugins.hps_v2:HPSv2",
    "ilniqe": "editmetrics.plugins.ilniqe:ILNIQE",
    "image_regressor": "editmetrics.plugins.image_regressor.metric:ImageRegressor",
    "image_reward": "editmetrics.plugins.image_reward:ImageReward",
    "inception_score": "editmetrics.plugins.inception_score:InceptionScore",
    "kid": "editmetrics.plugins.kid:KID",
    "lmm4edit": "editmetrics.plugins.lmm4edit.metric:LMM4Edit",
    "lmm4lmm": "editmetrics.plugins.lmm4lmm.metric:LMM4LMM",
    "lpips": "editmetrics.plugins.lpips:LPIPS",
    "mad": "editmetrics.plugins.mad:MAD",
    "mae": "editmetrics.plugins.mae:MAE",
    "mdsi": "editmetrics.plugins.mdsi:MDSI",
    "mps": "editmetrics.plugins.mps:MPS",
    "ms_ssim": "editmetrics.plugins.ms_ssim:MSSSIM",
    "mse": "editmetrics.plugins.psnr:MSE",
    "nlpd": "editmetrics.plugins.nlpd:NLPD",
    "niqe": "editmetrics.plugins.niqe:NIQE",
    "pair_judge": "editmetrics.plugins.pair_judge.metric:PairJudge",
    "pick_score": "editmetrics.plugins.pick_score:PickScore",
    "pieapp": "editmetrics.plugins.pieapp:PieAPP",
    "piqe": "editmetrics.plugins.piqe:PIQE",
    "precision_recall": "editmetrics.plugins.precision_recall:PrecisionRecall",
    "psnr": "editmetrics.plugins.psnr:PSNR",
    "ssim": "editmetrics.plugins.ssim:SSIM",
    "ssimulacra2": "editmetrics.plugins.ssimulacra2:SSIMULACRA2",
    "structure_distance": "editmetrics.plugins.structure_distance:StructureDistance",
    "text_accuracy": "editmetrics.plugins.text_accuracy:TextAccuracy",
    "vie_score": "editmetrics.plugins.vie_score.metric:VIEScore",
    "vif": "editmetrics.plugins.vif:VIF",
    "vif_wavelet": "editmetrics.plugins.vif_wavelet:VIFWavelet",
    "vqa_score": "editmetrics.plugins.vqa_score:VQAScore",
    "vsi": "editmetrics.plugins.vsi:VSI",
    **dict(zip(CONVENTIONS, map("editmetrics.conventions:{}".format, CONVENTIONS), strict=True)),
}

CLASSIC = ("fsim", "gmsd", "mae", "ms_ssim", "mse", "psnr", "ssim", "vif")
"""The metrics of a run that names none: without a download, and well known."""

CONFORMANCE = {
    **dict.fromkeys(
        ("clip_direction", "clip_image", "clip_score", "clip_text"), "editmetrics.plugins.conformance.clip"
    ),
    **dict.fromkeys(("dino_image", "structure_distance"), "editmetrics.plugins.conformance.dino"),
    **dict.fromkeys(
        ("cmmd", "fd_dinov2", "fid", "inception_score", "kid", "precision_recall"),
        "editmetrics.plugins.conformance.sets",
    ),
    **dict.fromkeys(("dists", "lpips"), "editmetrics.plugins.conformance.lpips"),
    **dict.fromkeys(("dreamsim", "pieapp"), "editmetrics.plugins.conformance.perceptual"),
    **dict.fromkeys(("cw_ssim", "mad", "ssimulacra2", "vif_wavelet"), "editmetrics.plugins.conformance.small_pictures"),
    **dict.fromkeys(
        ("ds_ieqa", "epaiqa", "hpe_lsa", "image_regressor", "lmm4lmm"), "editmetrics.plugins.conformance.toy_weights"
    ),
    **dict.fromkeys(("edit_hf", "lmm4edit"), "editmetrics.plugins.conformance.edit_regression"),
    **dict.fromkeys(
        ("aesthetic", "blip_score", "clip_iqa", "hps_v2", "image_reward", "mps", "pick_score"),
        "editmetrics.plugins.conformance.preference",
    ),
    "face_identity": "editmetrics.plugins.conformance.faces",
    "text_accuracy": "editmetrics.plugins.conformance.text",
    "pair_judge": "editmetrics.plugins.conformance.pair_judge",
    **dict.fromkeys(("brisque", "niqe"), "editmetrics.plugins.conformance.natural_scenes"),
    "ilniqe": "editmetrics.plugins.conformance.ilniqe",
    "vie_score": "editmetrics.plugins.conformance.judge",
    **dict.fromkeys(CONVENTIONS, "editmetrics.plugins.conformance.conventions"),
    "img_edit_judge": "editmetrics.plugins.conformance.img_edit_judge",
    **dict.fromkeys(("edit_reward", "hpsv3", "hpsv3_plus"), "editmetrics.plugins.conformance.reward_models"),
    **dict.fromkeys(("deqa_score", "q_align", "q_align_aesthetics"), "editmetrics.plugins.conformance.level_words"),
    "vqa_score": "editmetrics.plugins.conformance.toy_backbone",
}
"""What stands in for the weights or the model of a built-in metric in the conformance kit, and what it is told besides;
other packages register theirs as entry points in the group `editmetrics.conformance`."""
