"""Measures of quality, on plain arrays: PSNR, SSIM, LPIPS and tOF."""
