//! The float model: parameters as candle variables, and the forward pass that training and calibration share.
//!
//! Training computes with batch normalization where a layer has it; every other pass with weights that it is folded into.

use std::collections::HashMap;

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Result, Tensor, Var};

use super::architecture::{Architecture, ShapedLayer};
use super::chain::Stage;
use super::inputs::Source;
use super::layers::{Forward, LayerTensors, WeightShape};
use super::normalization::Normalization;
use crate::network::autograd::{self, Backward, Output, Recorded, Targets};
use crate::support::rng::{self, ChaCha8Rng, Purpose, RngExt};

/// Bytes of activations in a pass without gradients, at most, where one image does not take more.
const PASS_BYTES: usize = 128 << 20;

/// An architecture with parameters. All of them are `f32` on the CPU.
pub struct FloatModel {
    architecture: Architecture,
    parameters: Vec<Option<Parameters>>,
    /// What the learning rate of each layer is multiplied with.
    learning_rates: Vec<f64>,
    rounding: Option<Box<dyn Rounding>>,
}

/// What a model computes with in place of its own numbers, while it learns to do with less of them. Gradients by what
/// replaces a parameter are taken for the parameter's own.
pub trait Rounding: Send + Sync {
    /// Weight and bias in place of those of layer `index`.
    ///
    /// # Errors
    /// Those of candle.
    fn parameters(&self, index: usize, own: &Parameters) -> Result<(Tensor, Tensor)>;

    /// What happens to the activation of layer `index`, if anything does. A convolution's is what leaves the pool that it
    /// is fused with.
    ///
    /// # Errors
    /// Those of candle.
    fn activation(&self, index: usize, activation: &Tensor) -> Result<Option<Recorded>>;
}

/// Weights and biases of one layer.
pub struct Parameters {
    /// In the dimensions of [`WeightShape`].
    pub weight: Var,
    /// `[output channels]`: added to each output channel, after the normalization where there is one.
    pub bias: Var,
    /// Batch normalization between the weights and the bias; `None` where the layer has none, and once it is
    /// [folded](FloatModel::fold).
    pub normalization: Option<Normalization>,
}

impl Parameters {
    /// Fresh ones: weights uniform between `-limit` and `limit`, biases zero.
    ///
    /// The limit is Glorot's (Glorot and Bengio 2010), `sqrt(6 / (fan_in + fan_out))`, or with batch normalization He's for
    /// layers with ReLU (He and others 2015), `sqrt(6 / fan_in)`.
    fn new(shape: WeightShape, mut generator: ChaCha8Rng) -> Result<Self> {
        let rows = shape.rows();
        let fan = if shape.batch_norm { shape.fan_in() } else { shape.fan_in() + shape.fan_out };
        let limit = (6.0 / fan as f32).sqrt();
        let values: Vec<f32> =
            (0..shape.dimensions.iter().product()).map(|_| generator.random_range(-limit..limit)).collect();
        let weight = Tensor::from_vec(values, shape.dimensions, &Device::Cpu)?;
        let bias = Tensor::zeros(rows, DType::F32, &Device::Cpu)?;
        let normalization = if shape.batch_norm { Some(Normalization::new(rows)?) } else { None };
        Ok(Self { weight: Var::from_tensor(&weight)?, bias: Var::from_tensor(&bias)?, normalization })
    }

    /// Without a normalization.
    fn plain(weight: &Tensor, bias: &Tensor) -> Result<Self> {
        Ok(Self { weight: Var::from_tensor(weight)?, bias: Var::from_tensor(bias)?, normalization: None })
    }

    /// Weight and bias with the normalization in them.
    fn folded(&self) -> Result<(Tensor, Tensor)> {
        match &self.normalization {
            Some(normalization) => normalization.fold(&self.weight, &self.bias),
            None => Ok((self.weight.as_tensor().clone(), self.bias.as_tensor().clone())),
        }
    }

    /// What an optimizer trains.
    fn trained(&self) -> impl Iterator<Item = &Var> {
        [&self.weight, &self.bias].into_iter().chain(self.normalization.as_ref().map(|own| &own.scale))
    }

    /// What it trains, and what training keeps besides.
    fn state(&self) -> impl Iterator<Item = &Var> {
        let running = self.normalization.iter().flat_map(|own| [&own.mean, &own.variance]);
        self.trained().chain(running)
    }
}

/// What a forward pass is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Answers: normalizations are folded.
    Answer,
    /// A training step: a layer normalizes over the batch, and keeps its statistics.
    Train,
}

/// What a training step needs of a forward and a backward pass.
pub struct Pass {
    /// `[n, classes]`.
    pub logits: Tensor,
    /// Mean cross-entropy over the images.
    pub loss: f32,
    /// Its gradient by each variable of the model.
    pub gradients: GradStore,
}

/// A copy of all parameters and of what normalizations keep, that later training steps leave as it is.
pub struct Snapshot(Vec<Tensor>);

impl Snapshot {
    /// Of these values, in the order of [`FloatModel::state`].
    pub(crate) fn of(values: Vec<Tensor>) -> Self {
        Self(values)
    }

    pub(crate) fn tensors(&self) -> &[Tensor] {
        &self.0
    }

    /// The numbers, in the order of [`FloatModel::state`].
    ///
    /// # Errors
    /// Those of candle.
    pub fn values(&self) -> Result<Vec<Vec<f32>>> {
        self.0.iter().map(|tensor| tensor.flatten_all()?.to_vec1()).collect()
    }

    /// What [`values`](Self::values) gave, of this model.
    ///
    /// # Errors
    /// Where there are more or fewer than the model has.
    pub fn from_values(model: &FloatModel, values: &[Vec<f32>]) -> Result<Self> {
        let state = model.state();
        if state.len() != values.len() {
            candle_core::bail!("weights of {} variables, but the network has {}", values.len(), state.len());
        }
        let tensor = |(variable, values): (&Var, &Vec<f32>)| Tensor::from_slice(values, variable.shape(), &Device::Cpu);
        Ok(Self(state.iter().zip(values).map(tensor).collect::<Result<_>>()?))
    }
}

/// Values that a training step leaves out before dense layers.
pub struct Dropout<'g> {
    /// The probability of each.
    pub rate: f64,
    /// Which ones.
    pub generator: &'g mut ChaCha8Rng,
}

impl FloatModel {
    /// Fresh parameters, all from `seed`.
    ///
    /// # Errors
    /// Those of candle.
    pub fn new(architecture: Architecture, seed: u64) -> Result<Self> {
        let initialize = |(index, layer): (usize, &ShapedLayer)| {
            let generator = rng::stream(seed, Purpose::Initialize, index as u64);
            layer.weights().map(|shape| Parameters::new(shape, generator)).transpose()
        };
        let parameters = architecture.layers.iter().enumerate().map(initialize).collect::<Result<_>>()?;
        Ok(Self::with_parameters(architecture, parameters))
    }

    /// The parameters that the bytes of [`to_safetensors`](Self::to_safetensors) hold: normalizations are folded.
    ///
    /// # Errors
    /// Those of candle: bytes of something else, or tensors of other names or shapes than the architecture's.
    pub fn from_safetensors(architecture: Architecture, bytes: &[u8]) -> Result<Self> {
        let tensors = candle_core::safetensors::load_buffer(bytes, &Device::Cpu)?;
        let read = |name: String, dimensions: &[usize]| match tensors.get(&name) {
            None => candle_core::bail!("there is no tensor {name}"),
            Some(tensor) if tensor.dims() != dimensions => {
                candle_core::bail!("tensor {name} has shape {:?}, the architecture needs {dimensions:?}", tensor.dims())
            }
            Some(tensor) if tensor.dtype() != DType::F32 => {
                candle_core::bail!("tensor {name} is of type {:?}, not F32", tensor.dtype())
            }
            Some(tensor) => Ok(tensor),
        };
        let layers = architecture.layers.iter().enumerate();
        let parameters = layers.map(|(index, layer)| match layer.weights() {
            None => Ok(None),
            Some(shape) => {
                let weight = read(format!("layers.{index}.weight"), &shape.dimensions)?;
                let bias = read(format!("layers.{index}.bias"), &[shape.rows()])?;
                Parameters::plain(weight, bias).map(Some)
            }
        });
        let parameters = parameters.collect::<Result<_>>()?;
        Ok(Self::with_parameters(architecture, parameters))
    }

    fn with_parameters(architecture: Architecture, parameters: Vec<Option<Parameters>>) -> Self {
        let learning_rates = vec![1.0; parameters.len()];
        Self { architecture, parameters, learning_rates, rounding: None }
    }

    /// Copies weight and bias of layer `theirs` of `other` to layer `own`, which has no batch normalization from then on.
    ///
    /// # Errors
    /// Where one of them has no weights, or they have other dimensions.
    pub fn take_layer(&mut self, own: usize, other: &Self, theirs: usize) -> Result<()> {
        let of = |model: &Self, layer: usize| model.parameters.get(layer).and_then(Option::as_ref).is_some();
        let (true, true) = (of(self, own), of(other, theirs)) else {
            candle_core::bail!("layers {own} and {theirs} do not both have weights");
        };
        let (Some(parameters), Some(taken)) = (&mut self.parameters[own], &other.parameters[theirs]) else {
            return Ok(());
        };
        let (weight, bias) = taken.folded()?;
        if parameters.weight.dims() != weight.dims() {
            candle_core::bail!(
                "layers {own} and {theirs} have weights of {:?} and {:?}",
                parameters.weight.dims(),
                weight.dims()
            );
        }
        *parameters = Parameters::plain(&weight.copy()?, &bias.copy()?)?;
        Ok(())
    }

    /// What the learning rate of each layer is multiplied with; 0 keeps a layer as it is.
    pub fn set_learning_rates(&mut self, rates: Vec<f64>) {
        self.learning_rates = rates;
    }

    /// The same of each of the [`variables`](Self::variables).
    #[must_use]
    pub fn learning_rates(&self) -> Vec<f64> {
        let of_layer = |(parameters, &rate): (&Option<Parameters>, &f64)| {
            vec![rate; parameters.as_ref().map_or(0, |parameters| parameters.trained().count())]
        };
        self.parameters.iter().zip(&self.learning_rates).flat_map(of_layer).collect()
    }

    /// Whether all weights and biases are finite numbers.
    ///
    /// # Errors
    /// Those of candle.
    pub fn is_finite(&self) -> Result<bool> {
        for parameters in self.parameters.iter().flatten() {
            for variable in [&parameters.weight, &parameters.bias] {
                if !variable.flatten_all()?.to_vec1::<f32>()?.iter().all(|weight| weight.is_finite()) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Weights and biases as safetensors, named `layers.N.weight` and `layers.N.bias`, N counted from 0; normalizations are
    /// folded into them.
    ///
    /// # Errors
    /// Those of candle.
    pub fn to_safetensors(&self) -> Result<Vec<u8>> {
        let mut tensors = HashMap::new();
        for (index, parameters) in self.parameters.iter().enumerate() {
            if let Some(parameters) = parameters {
                let (weight, bias) = parameters.folded()?;
                tensors.insert(format!("layers.{index}.weight"), weight);
                tensors.insert(format!("layers.{index}.bias"), bias);
            }
        }
        Ok(safetensors::serialize(tensors, None)?)
    }

    /// What the network is made of.
    #[must_use]
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Weights and biases of each layer; `None` for a layer without.
    #[must_use]
    pub fn parameters(&self) -> &[Option<Parameters>] {
        &self.parameters
    }

    /// What an optimizer trains, in the order of the layers: weight, bias, and the scale of a normalization.
    #[must_use]
    pub fn variables(&self) -> Vec<Var> {
        self.parameters.iter().flatten().flat_map(Parameters::trained).cloned().collect()
    }

    /// The variables and what normalizations keep besides, in the order of the layers: weight, bias; scale, running mean and
    /// running variance.
    #[must_use]
    pub fn state(&self) -> Vec<Var> {
        self.parameters.iter().flatten().flat_map(Parameters::state).cloned().collect()
    }

    /// Folds normalizations into weights and biases, for good: the model answers as before, and has no statistics to keep
    /// from then on.
    ///
    /// # Errors
    /// Those of candle.
    pub fn fold(&mut self) -> Result<()> {
        for parameters in self.parameters.iter_mut().flatten().filter(|own| own.normalization.is_some()) {
            let (weight, bias) = parameters.folded()?;
            *parameters = Parameters::plain(&weight, &bias)?;
        }
        Ok(())
    }

    /// From now on the model computes with rounded numbers, or with its own again.
    pub fn set_rounding(&mut self, rounding: Option<Box<dyn Rounding>>) {
        self.rounding = rounding;
    }

    /// Whether it computes with rounded numbers.
    #[must_use]
    pub fn is_rounded(&self) -> bool {
        self.rounding.is_some()
    }

    /// A true copy of all parameters: candle's `clone` would share the storage that training writes to.
    ///
    /// # Errors
    /// Those of candle.
    pub fn snapshot(&self) -> Result<Snapshot> {
        Ok(Snapshot(self.state().iter().map(|variable| variable.copy()).collect::<Result<_>>()?))
    }

    /// Sets all parameters to those of a snapshot of this model, or of one like it: both folded, or neither.
    ///
    /// # Errors
    /// Where it is that of another model.
    pub fn restore(&self, snapshot: &Snapshot) -> Result<()> {
        let state = self.state();
        if state.len() != snapshot.0.len() {
            candle_core::bail!("weights of {} variables, but the network has {}", snapshot.0.len(), state.len());
        }
        state.iter().zip(&snapshot.0).try_for_each(|(variable, value)| variable.set(value))
    }

    /// Logits `[n, classes]` of images `[n, height, width, channels]`.
    ///
    /// # Errors
    /// Those of candle.
    pub fn forward(&self, images: &Tensor) -> Result<Tensor> {
        self.forward_traced(images, |_, _| Ok(()))
    }

    /// Images that a pass without gradients takes at once, `most` of them or fewer: all outputs of its layers then fit into
    /// 128 MB. The output for an image does not depend on the others.
    #[must_use]
    pub fn images_at_once(&self, most: usize) -> usize {
        let values: usize = self.architecture.layers.iter().map(|layer| layer.output.len()).sum();
        (PASS_BYTES / (values * size_of::<f32>()).max(1)).clamp(1, most)
    }

    /// As [`forward`](Self::forward), and shows `trace` the output of each layer: its index and the activation. A
    /// convolution that is fused with the pool after it is shown with the output of the pool.
    ///
    /// # Errors
    /// Those of candle and of `trace`.
    pub fn forward_traced(
        &self,
        images: &Tensor,
        mut trace: impl FnMut(usize, &Tensor) -> Result<()>,
    ) -> Result<Tensor> {
        self.forward_edited(images, |index, activation| {
            trace(index, &activation)?;
            Ok(activation)
        })
    }

    /// As [`forward_traced`](Self::forward_traced), and the network continues with what `edit` makes of each activation.
    ///
    /// # Errors
    /// Those of candle and of `edit`.
    pub fn forward_edited(
        &self,
        images: &Tensor,
        mut edit: impl FnMut(usize, Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        self.run(&self.architecture.stages(), images, Mode::Answer, None, |index, recorded| {
            Ok(edit(index, recorded.output.tensor()?)?.into())
        })?
        .tensor()
    }

    /// One forward and one backward pass: logits, mean cross-entropy, and its gradient by each variable. Running statistics of
    /// normalizations take up the batch.
    ///
    /// # Errors
    /// Those of candle.
    pub fn loss_and_gradients(&self, images: &Tensor, targets: Targets, dropout: Option<Dropout<'_>>) -> Result<Pass> {
        let stages = self.architecture.stages();
        let mut records = Vec::with_capacity(stages.len());
        let logits = self.run(&stages, images, Mode::Train, dropout, |_, recorded| {
            let output = recorded.output.clone();
            records.push(recorded);
            Ok(output)
        })?;
        let logits = logits.tensor()?;
        let recorded = autograd::softmax_cross_entropy_recorded(&logits, targets)?;
        let loss = recorded.output.tensor()?;
        // candle makes a store of gradients nowhere else than in a backward pass; that of a constant is one without work.
        let mut gradients = loss.backward()?;
        let mut backward = Backward::new(stages.len(), recorded.backward(&loss.ones_like()?)?.input);
        for (position, (stage, recorded)) in stages.iter().zip(records).enumerate().rev() {
            let output = |source: Source| match source {
                Source::Output(output) => Some(output),
                Source::Image => None,
            };
            let reads = [output(stage.reads.input), stage.reads.residual.and_then(output)];
            let parameters = backward.through(position, recorded, reads)?;
            if let Some(own) = &self.parameters[stage.index] {
                own.trained().zip(parameters).for_each(|(variable, gradient)| {
                    gradients.insert(variable, gradient);
                });
            }
        }
        Ok(Pass { logits, loss: loss.to_scalar()?, gradients })
    }

    /// Runs the stages in order and gives each to `take`, with the index of its layer; what `take` gives back is what
    /// later ones run on.
    fn run(
        &self,
        stages: &[Stage<'_>],
        images: &Tensor,
        mode: Mode,
        mut dropout: Option<Dropout<'_>>,
        mut take: impl FnMut(usize, Recorded) -> Result<Output>,
    ) -> Result<Output> {
        let mut activations = Activations::new(images, stages);
        for stage in stages {
            let (index, operator) = (stage.index, stage.layer.layer.operator());
            let input = activations.read(stage.reads.input)?;
            let residual = stage.reads.residual.map(|source| activations.read(source)).transpose()?;
            // Images need no gradient: skipping it saves the first layer half of its backward pass.
            let input_gradient = stage.reads.input != Source::Image;
            let dropped = match &mut dropout {
                Some(Dropout { rate, generator }) if operator.takes_dropout() && input_gradient => {
                    Some(autograd::dropout_recorded(&input.tensor()?, *rate, generator)?)
                }
                Some(_) | None => None,
            };
            let own = self.parameters[index].as_ref();
            let parameters = own.map(|own| self.tensors(index, own, mode)).transpose()?;
            let recorded = operator.forward(Forward {
                input: dropped.as_ref().map_or(&input, |dropped| &dropped.output),
                residual: residual.as_ref(),
                parameters: parameters.as_ref(),
                fused: stage.fused.is_some(),
                input_gradient,
            })?;
            if let (Some(normalization), Some(statistics)) =
                (own.and_then(|own| own.normalization.as_ref()), recorded.statistics.as_ref())
            {
                normalization.update(statistics)?;
            }
            let recorded = match &self.rounding {
                Some(rounding) => match rounding.activation(index, &recorded.output.tensor()?)? {
                    Some(rounded) => recorded.then(rounded),
                    None => recorded,
                },
                None => recorded,
            };
            let recorded = match dropped {
                Some(dropped) => dropped.then(recorded),
                None => recorded,
            };
            activations.put(take(index, recorded)?);
        }
        activations.last()
    }

    /// What a layer computes with: its parameters, or what replaces them.
    fn tensors(&self, index: usize, own: &Parameters, mode: Mode) -> Result<LayerTensors> {
        if let (Mode::Train, Some(normalization)) = (mode, &own.normalization) {
            let tensor = |variable: &Var| variable.as_tensor().clone();
            let (weight, bias) = (tensor(&own.weight), tensor(&own.bias));
            return Ok(LayerTensors { weight, bias, normalized: Some(tensor(&normalization.scale)) });
        }
        let (weight, bias) = match &self.rounding {
            Some(rounding) => rounding.parameters(index, own)?,
            None => own.folded()?,
        };
        Ok(LayerTensors { weight, bias, normalized: None })
    }
}

/// The outputs of the stages that ran, each until its last reader has run.
struct Activations<'a> {
    images: &'a Tensor,
    /// The output of each stage, and how many of its readers have not run.
    outputs: Vec<(Option<Output>, usize)>,
    /// Readers of each stage.
    readers: Vec<usize>,
}

impl<'a> Activations<'a> {
    fn new(images: &'a Tensor, stages: &[Stage<'_>]) -> Self {
        let readers = stages.iter().map(|stage| stage.readers).collect();
        Self { images, outputs: Vec::with_capacity(stages.len()), readers }
    }

    /// What a stage reads, as a map: the outputs of a dense layer are channels of one position.
    fn read(&mut self, source: Source) -> Result<Output> {
        let Source::Output(stage) = source else { return Ok(self.images.into()) };
        let output = self.outputs.get_mut(stage).and_then(|(output, readers)| {
            *readers = readers.saturating_sub(1);
            if *readers == 0 { output.take() } else { output.clone() }
        });
        match output {
            Some(Output::Values(values)) if values.rank() == 2 => Ok(values.unsqueeze(1)?.unsqueeze(1)?.into()),
            Some(output) => Ok(output),
            None => candle_core::bail!("a stage reads stage {stage}, which has not run"),
        }
    }

    /// Keeps the output of the next stage.
    fn put(&mut self, output: Output) {
        let readers = self.readers.get(self.outputs.len()).copied().unwrap_or(0);
        self.outputs.push((Some(output), readers));
    }

    /// The output of the last stage.
    fn last(mut self) -> Result<Output> {
        match self.outputs.pop() {
            Some((Some(logits), _)) => Ok(logits),
            Some((None, _)) | None => candle_core::bail!("a network without layers"),
        }
    }
}
