//! An average of the weights over the last steps: it generalizes better than where the last step happened to end (Polyak
//! and Juditsky 1992).

use candle_core::{CpuStorage, InplaceOp2, Layout, Result, Tensor, Var};
use rayon::prelude::*;

use crate::network::model::{FloatModel, Snapshot};
use crate::support::vector::vectorized;

/// A running mean of all parameters and of what normalizations keep, each step weighed by `decay` against all before.
pub struct Average {
    decay: f64,
    steps: u64,
    mean: Vec<Var>,
}

impl Average {
    /// Begins at the parameters as they are.
    ///
    /// # Errors
    /// Those of candle.
    pub fn new(model: &FloatModel, decay: f64) -> Result<Self> {
        let mean = model.state().iter().map(|variable| Var::from_tensor(&variable.copy()?)).collect::<Result<_>>()?;
        Ok(Self { decay, steps: 0, mean })
    }

    /// Takes up the parameters of a step. Early steps weigh more, `(1 + n) / (10 + n)` at most is kept of what was: the
    /// beginning is to be forgotten.
    ///
    /// # Errors
    /// Those of candle.
    pub fn update(&mut self, model: &FloatModel) -> Result<()> {
        let steps = self.steps as f64;
        self.steps += 1;
        let kept = self.decay.min((1.0 + steps) / (10.0 + steps));
        let step = TowardsStep { share: (1.0 - kept) as f32 };
        let state = model.state();
        self.mean.iter().zip(&state).try_for_each(|(mean, variable)| mean.inplace_op2(variable, &step))
    }

    /// Steps in it.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Continues from the mean of so many steps.
    ///
    /// # Errors
    /// Where the mean is that of another model.
    pub fn restore(&mut self, steps: u64, mean: &Snapshot) -> Result<()> {
        self.steps = steps;
        self.mean.iter().zip(mean.tensors()).try_for_each(|(own, value)| own.set(value))
    }

    /// The mean, as a snapshot of the model.
    ///
    /// # Errors
    /// Those of candle.
    pub fn snapshot(&self) -> Result<Snapshot> {
        Ok(Snapshot::of(self.mean.iter().map(|mean| mean.copy()).collect::<Result<Vec<Tensor>>>()?))
    }
}

/// `mean += share * (value - mean)`.
struct TowardsStep {
    share: f32,
}

/// Values per task.
const CHUNK: usize = 16 * 1024;

impl InplaceOp2 for TowardsStep {
    fn name(&self) -> &'static str {
        "average"
    }

    fn cpu_fwd(
        &self,
        mean: &mut CpuStorage,
        mean_layout: &Layout,
        values: &CpuStorage,
        values_layout: &Layout,
    ) -> Result<()> {
        let (Some((start, end)), Some((from, to))) =
            (mean_layout.contiguous_offsets(), values_layout.contiguous_offsets())
        else {
            candle_core::bail!("average: a variable is not contiguous");
        };
        let CpuStorage::F32(mean) = mean else { candle_core::bail!("average: a variable is not f32") };
        let values = &values.as_slice::<f32>()?[from..to];
        mean[start..end]
            .par_chunks_mut(CHUNK)
            .zip(values.par_chunks(CHUNK))
            .for_each(|(mean, values)| towards(self.share, mean, values));
        Ok(())
    }
}

vectorized! {
    fn towards(share: f32, mean: &mut [f32], values: &[f32]) {
        for (mean, &value) in mean.iter_mut().zip(values) {
            *mean = fma!(share, value - *mean, *mean);
        }
    }
}
