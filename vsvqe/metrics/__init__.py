"""Measures of quality, on plain arrays.

Against the original: PSNR, SSIM, MS-SSIM, LPIPS, a kernel distance of features, tOF, flicker and
acutance. Of a picture alone: blockiness.
Of a clip's motion: what stabilisation is judged by.
"""
