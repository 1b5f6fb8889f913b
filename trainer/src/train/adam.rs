//! Adam (Kingma and Ba 2015, algorithm 1) in one pass over each variable, on all cores, its state open for checkpoints.

use std::cell::RefCell;

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, InplaceOp2, Layout, Result, Var};
use candle_nn::Optimizer;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::support::vector::vectorized;

/// Adam's numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamConfig {
    /// The learning rate.
    pub learning_rate: f64,
    /// Decay of the mean of the gradients.
    pub beta1: f64,
    /// Decay of the mean of their squares.
    pub beta2: f64,
    /// Added to the root of the latter, after the bias correction.
    pub epsilon: f64,
    /// Share of a weight, times the learning rate, that it loses at each step whatever its gradient (Loshchilov and Hutter 2019).
    /// Biases lose nothing.
    pub weight_decay: f64,
}

/// The optimizer and its state.
#[derive(Debug)]
pub struct Adam {
    variables: Vec<Var>,
    /// What the learning rate of each variable is multiplied with.
    rates: Vec<f64>,
    moments: RefCell<Vec<Moments>>,
    steps: u64,
    config: AdamConfig,
}

/// Running means of one variable's gradient.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    /// Of the gradient.
    pub first: Vec<f32>,
    /// Of its square.
    pub second: Vec<f32>,
}

impl Adam {
    /// The same with a learning rate for each variable, as a factor of the common one; 0 keeps a variable as it is.
    #[must_use]
    pub fn with_rates(self, rates: Vec<f64>) -> Self {
        Self { rates, ..self }
    }

    /// Steps taken so far.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The state of each variable, in their order.
    #[must_use]
    pub fn moments(&self) -> Vec<Moments> {
        self.moments.borrow().clone()
    }

    /// Continues from the state of an earlier run.
    ///
    /// # Errors
    /// Where the state is not that of the same variables.
    pub fn restore(&mut self, steps: u64, moments: Vec<Moments>) -> Result<()> {
        let fits = |(own, other): (&Moments, &Moments)| {
            own.first.len() == other.first.len() && own.second.len() == other.second.len()
        };
        if moments.len() != self.variables.len() || !self.moments.borrow().iter().zip(&moments).all(fits) {
            candle_core::bail!("the optimizer's state is that of another model");
        }
        self.steps = steps;
        self.moments.replace(moments);
        Ok(())
    }
}

impl Optimizer for Adam {
    type Config = AdamConfig;

    fn new(variables: Vec<Var>, config: AdamConfig) -> Result<Self> {
        let zeros = |variable: &Var| {
            let zeros = vec![0.0; variable.elem_count()];
            Moments { first: zeros.clone(), second: zeros }
        };
        let moments = RefCell::new(variables.iter().map(zeros).collect());
        let rates = vec![1.0; variables.len()];
        Ok(Self { variables, rates, moments, steps: 0, config })
    }

    fn step(&mut self, gradients: &GradStore) -> Result<()> {
        self.steps += 1;
        let AdamConfig { learning_rate, beta1, beta2, epsilon, weight_decay } = self.config;
        let steps = self.steps as f64;
        let numbers = Numbers {
            beta1: beta1 as f32,
            beta2: beta2 as f32,
            step: (learning_rate / (1.0 - beta1.powf(steps))) as f32,
            root_correction: (1.0 / (1.0 - beta2.powf(steps)).sqrt()) as f32,
            epsilon: epsilon as f32,
            kept: 1.0,
        };
        for ((variable, &rate), moments) in self.variables.iter().zip(&self.rates).zip(self.moments.get_mut()) {
            if let Some(gradient) = gradients.get(variable).filter(|_| rate > 0.0) {
                let is_bias = variable.rank() == 1;
                let kept = if is_bias { 1.0 } else { (1.0 - rate * learning_rate * weight_decay) as f32 };
                let step = (rate * learning_rate / (1.0 - beta1.powf(steps))) as f32;
                let numbers = Numbers { kept, step, ..numbers };
                let update = Update { numbers, moments: std::sync::Mutex::new(moments) };
                variable.inplace_op2(&gradient.contiguous()?, &update)?;
            }
        }
        Ok(())
    }

    fn learning_rate(&self) -> f64 {
        self.config.learning_rate
    }

    fn set_learning_rate(&mut self, learning_rate: f64) {
        self.config.learning_rate = learning_rate;
    }
}

/// The numbers of one step, bias corrections worked in.
#[derive(Clone, Copy)]
struct Numbers {
    beta1: f32,
    beta2: f32,
    step: f32,
    root_correction: f32,
    epsilon: f32,
    /// What weight decay leaves of a value.
    kept: f32,
}

struct Update<'m> {
    numbers: Numbers,
    /// candle lends operations immutably; nobody else holds this lock.
    moments: std::sync::Mutex<&'m mut Moments>,
}

/// Values per task: few enough that two cores share a dense layer evenly, enough to be worth a task.
const CHUNK: usize = 16 * 1024;

impl InplaceOp2 for Update<'_> {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn cpu_fwd(
        &self,
        variable: &mut CpuStorage,
        variable_layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> Result<()> {
        let (Some((start, end)), Some((gradient_start, gradient_end))) =
            (variable_layout.contiguous_offsets(), gradient_layout.contiguous_offsets())
        else {
            candle_core::bail!("adam: a variable or gradient is not contiguous");
        };
        let CpuStorage::F32(values) = variable else { candle_core::bail!("adam: a variable is not f32") };
        let gradient = &gradient.as_slice::<f32>()?[gradient_start..gradient_end];
        let Ok(mut moments) = self.moments.lock() else { candle_core::bail!("adam: state lost in a panic") };
        let Moments { first, second } = &mut **moments;
        values[start..end]
            .par_chunks_mut(CHUNK)
            .zip(first.par_chunks_mut(CHUNK))
            .zip(second.par_chunks_mut(CHUNK))
            .zip(gradient.par_chunks(CHUNK))
            .for_each(|(((values, first), second), gradient)| update(self.numbers, values, first, second, gradient));
        Ok(())
    }
}

vectorized! {
    fn update(numbers: Numbers, values: &mut [f32], first: &mut [f32], second: &mut [f32], gradient: &[f32]) {
        let Numbers { beta1, beta2, step, root_correction, epsilon, kept } = numbers;
        for (((value, first), second), &gradient) in values.iter_mut().zip(first).zip(second).zip(gradient) {
            *first = fma!(beta1, *first, (1.0 - beta1) * gradient);
            *second = fma!(beta2, *second, (1.0 - beta2) * gradient * gradient);
            *value = kept * *value - step * *first / fma!(second.sqrt(), root_correction, epsilon);
        }
    }
}
