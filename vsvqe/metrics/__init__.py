"""Measures of quality, on plain arrays.

Against the original: PSNR, SSIM, MS-SSIM, LPIPS, tOF and flicker. Of a picture alone: blockiness.
Of a clip's motion: what stabilisation is judged by.
"""
