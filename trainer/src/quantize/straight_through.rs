//! Activations rounded to codes and back, with a gradient that passes straight through.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use infer_core::format::Codes;

use super::fake::{fake_activations, stop_clipped};
use crate::network::autograd::{Recorded, values, with_values};

/// Rounds each value of `x` to what its code means. The gradient goes through as if nothing had been rounded, and stops
/// where a value had no code of its own.
///
/// # Errors
/// Those of candle.
pub fn fake_quantize_recorded(x: &Tensor, codes: Codes) -> Result<Recorded> {
    Recorded::one(&x.contiguous()?, FakeQuantize { codes })
}

struct FakeQuantize {
    codes: Codes,
}

impl CustomOp1 for FakeQuantize {
    fn name(&self) -> &'static str {
        "fake-quantize"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut rounded = values(x, layout)?.to_vec();
        fake_activations(&mut rounded, self.codes);
        Ok((CpuStorage::F32(rounded), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let mut flowing = with_values(gradient, |gradient| Ok(gradient.to_vec()))?;
        with_values(x, |x| {
            stop_clipped(&mut flowing, x, self.codes);
            Ok(())
        })?;
        Ok(Some(Tensor::from_vec(flowing, x.shape(), x.device())?))
    }
}
