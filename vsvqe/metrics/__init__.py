"""Measures of quality, on plain arrays: PSNR, SSIM, LPIPS, tOF, and those of stabilised clips."""
