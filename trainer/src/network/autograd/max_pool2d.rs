//! Max-pool by itself; after a convolution it is part of that.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::{Recorded, values, with_values};

/// The maximum of each 2x2 window: `[n, h, w, c]` gives `[n, h/2, w/2, c]`, an odd last row or column left out. The
/// gradient goes whole to the maximum, of equals to the first.
///
/// # Errors
/// Those of candle.
pub fn max_pool2d(x: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op1(MaxPool2d)
}

/// As [`max_pool2d`], outside candle's graph.
///
/// # Errors
/// Those of candle.
pub fn max_pool2d_recorded(x: &Tensor) -> Result<Recorded> {
    Recorded::one(&x.contiguous()?, MaxPool2d)
}

struct MaxPool2d;

impl CustomOp1 for MaxPool2d {
    fn name(&self) -> &'static str {
        "max-pool2d"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, h, w, c) = layout.shape().dims4()?;
        let x = values(x, layout)?;
        let mut output = Vec::with_capacity(n * (h / 2) * (w / 2) * c);
        visit_windows((n, h, w, c), |window| output.push(x[maximum(x, window)]));
        Ok((CpuStorage::F32(output), Shape::from((n, h / 2, w / 2, c))))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let shape = x.dims4()?;
        let mut output = vec![0.0; x.elem_count()];
        with_values(x, |x| {
            with_values(gradient, |gradient| {
                let mut gradient = gradient.iter();
                visit_windows(shape, |window| {
                    if let Some(gradient) = gradient.next() {
                        output[maximum(x, window)] += gradient;
                    }
                });
                Ok(())
            })
        })?;
        Ok(Some(Tensor::from_vec(output, shape, x.device())?))
    }
}

/// Calls `visit` with the four indices of each window and channel, in the order of the output.
fn visit_windows((n, h, w, c): (usize, usize, usize, usize), mut visit: impl FnMut([usize; 4])) {
    for image in 0..n {
        for y in 0..h / 2 {
            for x in 0..w / 2 {
                let corner = ((image * h + 2 * y) * w + 2 * x) * c;
                for channel in corner..corner + c {
                    visit([channel, channel + c, channel + w * c, channel + (w + 1) * c]);
                }
            }
        }
    }
}

fn maximum(x: &[f32], window: [usize; 4]) -> usize {
    window.into_iter().reduce(|best, next| if x[next] > x[best] { next } else { best }).unwrap_or(window[0])
}
