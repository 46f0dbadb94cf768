"""Published errors on QM9, to stand beside ours. Of each: mean absolute error on the test part of a random split."""

PAPERS = {
    "ET": "Thölke & De Fabritiis 2022, from scratch",
    "ViSNet": "Wang et al. 2024, from scratch",
    "PvD": "Zaidi et al. 2023, ET with noisy nodes, pre-trained by denoising on PCQM4Mv2",
    "Coord": "ET pre-trained by coordinate denoising on PCQM4Mv2, as quoted in arXiv 2603.17196",
    "Frad": "Feng et al. 2023 and Ni et al. 2024, ET pre-trained by fractional denoising",
}
NAMES = (
    "alpha_a03",
    "gap_eV",
    "homo_eV",
    "lumo_eV",
    "mu_D",
    "cv_cal_mol_K",
    "g_eV",
    "h_eV",
    "r2_a02",
    "u_eV",
    "u0_eV",
    "zpve_eV",
)
QM9 = {  # 110,000 training molecules; in the units of lib.train.properties
    "ET": dict(zip(NAMES, (0.059, 36, 20, 18, 0.011, 0.026, 7.62, 6.16, 0.033, 6.38, 6.15, 1.84))),
    "ViSNet": dict(zip(NAMES, (0.041, 32, 17, 15, 0.010, 0.023, 5.86, 4.25, 0.030, 4.25, 4.23, 1.56))),
    "PvD": {"homo_eV": 15.5, "lumo_eV": 13.2},
    "Coord": {"homo_eV": 17.7, "lumo_eV": 14.3, "gap_eV": 31.8},
    "Frad": {"homo_eV": 15.3, "lumo_eV": 13.7, "gap_eV": 27.8},
}
