//! The stages of a network in the order they run, and what flows between them: decided here, once.
//!
//! A stage is what one kernel call computes: a layer, or a convolution with the pool after it. Training, calibration,
//! quantization, export, listings and estimates all go through the same stages.

use infer_core::Shape;

use super::architecture::{Architecture, ShapedLayer};
use super::layers::OutputCodes;
use super::record::{Numbers, QuantizedLayer, WrongNumbers};
use super::work::Work;

/// A layer, with the one after it where both run as one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stage<'a> {
    /// Index of its layer, counted from 0. Parameters, calibrations and float activations have this index.
    pub index: usize,
    /// Its layer.
    pub layer: &'a ShapedLayer,
    /// The layer after it that it computes too.
    pub fused: Option<&'a ShapedLayer>,
    /// Whether it puts out the logits.
    pub is_last: bool,
}

/// What a stage gets and what it puts out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flow<S> {
    /// What comes in.
    pub input: S,
    /// What goes out; `None` of the last stage, whose accumulators are the logits.
    pub output: Option<S>,
}

impl<'a> Stage<'a> {
    /// Index of the last layer that it computes. infer-core shows its output under this index.
    #[must_use]
    pub fn last_index(&self) -> usize {
        self.index + usize::from(self.fused.is_some())
    }

    /// The shape that it puts out.
    #[must_use]
    pub fn output(&self) -> Shape {
        self.fused.unwrap_or(self.layer).output
    }

    /// What it computes, counted.
    #[must_use]
    pub fn work(&self) -> Work {
        self.layer.layer.operator().work(self.layer.input, self.output(), self.fused.is_some())
    }
}

impl Architecture {
    /// The stages in the order they run.
    #[must_use]
    pub fn stages(&self) -> Vec<Stage<'_>> {
        let count = self.layers.len();
        let mut stages = Vec::with_capacity(count);
        let mut layers = self.layers.iter().enumerate().peekable();
        while let Some((index, layer)) = layers.next() {
            let absorbs_pool = layer.layer.operator().absorbs_pool();
            let fused = layers.next_if(|(_, next)| absorbs_pool && next.layer.operator().is_pool());
            let fused = fused.map(|(_, pool)| pool);
            stages.push(Stage { index, layer, fused, is_last: layers.peek().is_none() });
        }
        stages
    }
}

/// What flows into each stage and out of it, given what the image is, and what each stage puts out that has codes of its
/// own. A stage without passes on what it gets.
///
/// # Errors
/// Those of `own`.
pub fn flow<S: Copy, E>(
    stages: &[Stage<'_>],
    image: S,
    mut own: impl FnMut(&Stage<'_>) -> Result<S, E>,
) -> Result<Vec<Flow<S>>, E> {
    let mut input = image;
    let through = |stage: &Stage<'_>| {
        let output = match stage.layer.layer.operator().output_codes() {
            OutputCodes::Own | OutputCodes::OfInput if stage.is_last => None,
            OutputCodes::Own => Some(own(stage)?),
            OutputCodes::OfInput => Some(input),
        };
        let flow = Flow { input, output };
        input = output.unwrap_or(input);
        Ok(flow)
    };
    stages.iter().map(through).collect()
}

/// The layers of a model file, one for each stage, given its numbers.
///
/// # Errors
/// Those of `numbers`; [`WrongNumbers`].
pub fn quantized_layers<E: From<WrongNumbers>>(
    stages: &[Stage<'_>],
    mut numbers: impl FnMut(&Stage<'_>) -> Result<Numbers, E>,
) -> Result<Vec<QuantizedLayer>, E> {
    let mut layers = Vec::with_capacity(stages.len());
    for stage in stages {
        let layer = stage.layer.layer.operator().quantized(numbers(stage)?)?;
        layers.push(if stage.fused.is_some() { layer.with_pool() } else { layer });
    }
    Ok(layers)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn network(layers: &str) -> Architecture {
        Architecture::from_toml(&format!("name = \"mine\"\ninput = [16, 16, 1]\nlayers = [{layers}]")).unwrap()
    }

    const CONV: &str = "{ conv = { channels = 4, kernel = 3, padding = \"same\" } },";
    const POOL: &str = "{ max_pool = {} },";
    const DENSE: &str = "{ dense = { outputs = 5, relu = true } },";

    #[test]
    fn a_pool_runs_with_the_convolution_before_it_and_alone_after_anything_else() {
        let layers = [POOL, CONV, CONV, POOL, POOL, DENSE, "{ dense = {} }"].concat();
        let network = network(&layers);
        let stages: Vec<(usize, usize, bool)> =
            network.stages().iter().map(|stage| (stage.index, stage.last_index(), stage.is_last)).collect();
        assert_eq!(stages, [(0, 0, false), (1, 1, false), (2, 3, false), (4, 4, false), (5, 5, false), (6, 6, true)]);
        let outputs: Vec<Shape> = network.stages().iter().map(Stage::output).collect();
        let layers = [0, 1, 3, 4, 5, 6].map(|layer| network.layers[layer].output);
        assert_eq!(outputs, layers);
    }

    #[test]
    fn a_pool_passes_on_the_codes_that_it_gets_and_the_last_layer_has_none() {
        let network = network(&[POOL, CONV, POOL, POOL, DENSE, "{ dense = {} }"].concat());
        let mut asked = Vec::new();
        let flows = flow(&network.stages(), 100, |stage| {
            asked.push(stage.index);
            Ok::<_, Infallible>(stage.index)
        });
        let flows: Vec<(usize, Option<usize>)> =
            flows.unwrap().into_iter().map(|Flow { input, output }| (input, output)).collect();
        assert_eq!(flows, [(100, Some(100)), (100, Some(1)), (1, Some(1)), (1, Some(4)), (4, None)]);
        assert_eq!(asked, [1, 4]);
    }

    #[test]
    fn the_first_stage_without_codes_ends_the_flow() {
        let network = network(&[DENSE, DENSE, "{ dense = {} }"].concat());
        assert_eq!(flow(&network.stages(), 0, |stage| Err::<usize, usize>(stage.index)), Err(0));
    }
}
