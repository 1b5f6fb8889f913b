//! Fully connected layer with bias and ReLU.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::matrix::{Strides, rows_by_columns, rows_by_rows};
use super::{Recorded, values, with_values};
use crate::support::vector::vectorized;

/// `y = x w^T + b`, then ReLU where requested: `x [n, inputs]`, `weight [outputs, inputs]`, `bias [outputs]` give
/// `[n, outputs]`.
///
/// `input_gradient` is false for the first layer: images need none.
///
/// # Errors
/// Those of candle; shapes that do not fit together.
pub fn dense(x: &Tensor, weight: &Tensor, bias: &Tensor, relu: bool, input_gradient: bool) -> Result<Tensor> {
    x.contiguous()?.apply_op3(weight, bias, Dense { relu, input_gradient })
}

/// As [`dense`], outside candle's graph.
///
/// # Errors
/// As [`dense`].
pub fn dense_recorded(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    relu: bool,
    input_gradient: bool,
) -> Result<Recorded> {
    Recorded::three(&x.contiguous()?, weight, bias, Dense { relu, input_gradient })
}

struct Dense {
    relu: bool,
    input_gradient: bool,
}

impl CustomOp3 for Dense {
    fn name(&self) -> &'static str {
        "dense"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (n, inputs) = x_layout.shape().dims2()?;
        let (outputs, weight_inputs) = weight_layout.shape().dims2()?;
        if inputs != weight_inputs || bias_layout.shape().dims1()? != outputs {
            candle_core::bail!("dense: x [{n}, {inputs}], weight [{outputs}, {weight_inputs}], bias {bias_layout:?}");
        }
        let mut output = vec![0.0; n * outputs];
        rows_by_rows(values(x, x_layout)?, values(weight, weight_layout)?, inputs, &mut output);
        finish(&mut output, values(bias, bias_layout)?, if self.relu { 0.0 } else { f32::NEG_INFINITY });
        Ok((CpuStorage::F32(output), Shape::from((n, outputs))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        y: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let ((n, inputs), outputs) = (x.dims2()?, weight.dims2()?.0);
        let mut gradient = with_values(gradient, |gradient| Ok(gradient.to_vec()))?;
        if self.relu {
            with_values(y, |y| {
                mask(&mut gradient, y);
                Ok(())
            })?;
        }
        let mut weight_gradient = vec![0.0; outputs * inputs];
        with_values(x, |x| {
            let transposed = Strides { row: 1, column: outputs };
            rows_by_columns(&gradient, transposed, x, inputs, &mut weight_gradient);
            Ok(())
        })?;
        let mut bias_gradient = vec![0.0; outputs];
        sum_rows(&gradient, &mut bias_gradient);
        let input_gradient = match self.input_gradient {
            false => None,
            true => {
                let mut input_gradient = vec![0.0; n * inputs];
                with_values(weight, |weight| {
                    let as_is = Strides { row: outputs, column: 1 };
                    rows_by_columns(&gradient, as_is, weight, inputs, &mut input_gradient);
                    Ok(())
                })?;
                Some(Tensor::from_vec(input_gradient, (n, inputs), x.device())?)
            }
        };
        Ok((
            input_gradient,
            Some(Tensor::from_vec(weight_gradient, (outputs, inputs), x.device())?),
            Some(Tensor::from_vec(bias_gradient, outputs, x.device())?),
        ))
    }
}

vectorized! {
    /// Adds the bias to each row and lifts what is lower than `floor`.
    fn finish(output: &mut [f32], bias: &[f32], floor: f32) {
        for row in output.chunks_exact_mut(bias.len()) {
            for (value, bias) in row.iter_mut().zip(bias) {
                *value = (*value + bias).max(floor);
            }
        }
    }
}

vectorized! {
    /// ReLU's gradient: nothing flows where nothing came out.
    fn mask(gradient: &mut [f32], y: &[f32]) {
        for (gradient, &y) in gradient.iter_mut().zip(y) {
            *gradient = if y > 0.0 { *gradient } else { 0.0 };
        }
    }
}

vectorized! {
    fn sum_rows(rows: &[f32], sum: &mut [f32]) {
        for row in rows.chunks_exact(sum.len()) {
            for (sum, value) in sum.iter_mut().zip(row) {
                *sum += value;
            }
        }
    }
}
