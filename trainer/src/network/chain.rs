//! The stages of a network in the order they run, and what flows between them: decided here, once.
//!
//! A stage is what one kernel call computes: a layer, or a convolution with the pool after it. Training, calibration,
//! quantization, export, listings and estimates all go through the same stages.

use infer_core::Shape;
use infer_core::format::Layout;

use super::architecture::{Architecture, ShapedLayer};
use super::inputs::{Inputs, Source};
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
    /// What it reads, by the index of a stage.
    pub reads: Inputs<Source>,
    /// How often later stages read its output.
    pub readers: usize,
    /// Whether the channels of its output may be put into another order: they meet the channels of no other stage, and come from
    /// weights.
    pub has_free_order: bool,
    /// Whether its output is the logits.
    pub is_last: bool,
}

/// The input of a stage and its output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flow<S> {
    /// What comes in.
    pub inputs: Inputs<S>,
    /// What goes out; `None` of the last stage, whose accumulators are the logits.
    pub output: Option<S>,
}

impl<'a> Stage<'a> {
    /// Index of the last layer that it computes. infer-core shows its output under this index.
    #[must_use]
    pub fn last_index(&self) -> usize {
        self.index + usize::from(self.fused.is_some())
    }

    /// The shape of its output.
    #[must_use]
    pub fn output(&self) -> Shape {
        self.fused.unwrap_or(self.layer).output
    }

    /// Whether its weights may be in a layout of the file.
    #[must_use]
    pub fn has_layout(&self, layout: Layout) -> bool {
        self.layer.layer.operator().has_layout(layout, self.layer.input)
    }

    /// What it computes, counted, with its weights in a layout that it has.
    #[must_use]
    pub fn work(&self, layout: Layout) -> Work {
        self.layer.layer.operator().work(self.layer.input, self.output(), self.fused.is_some(), layout)
    }
}

impl Architecture {
    /// The stages in the order they run.
    ///
    /// A pool runs with the convolution before it, if it is the only layer that reads that convolution.
    #[must_use]
    pub fn stages(&self) -> Vec<Stage<'_>> {
        let count = self.layers.len();
        let readers = self.readers();
        let mut stages = Vec::with_capacity(count);
        // Of each layer the stage whose output is the layer's.
        let mut stage_of = vec![0; count];
        let mut layers = self.layers.iter().enumerate().peekable();
        while let Some((index, layer)) = layers.next() {
            let absorbs_pool = layer.layer.operator().absorbs_pool() && readers[index] == 1;
            let fused = layers.next_if(|(_, next)| {
                absorbs_pool && next.layer.operator().is_pool() && next.reads.input == Source::Output(index)
            });
            let last = fused.map_or(index, |(pool, _)| pool);
            stage_of[last] = stages.len();
            let reads = layer.reads.map(|source| match source {
                Source::Image => Source::Image,
                Source::Output(layer) => Source::Output(stage_of[layer]),
            });
            stages.push(Stage {
                index,
                layer,
                fused: fused.map(|(_, pool)| pool),
                reads,
                readers: readers[last],
                has_free_order: false,
                is_last: layers.peek().is_none(),
            });
        }
        find_free_orders(&mut stages);
        stages
    }

    /// How often each layer's output is read.
    fn readers(&self) -> Vec<usize> {
        let mut readers = vec![0; self.layers.len()];
        for source in self.layers.iter().flat_map(|layer| layer.reads.iter()) {
            if let Source::Output(layer) = *source {
                readers[layer] += 1;
            }
        }
        readers
    }
}

/// The order of channels is free where they come from weights and where no add takes them, as they are or by way of stages that
/// keep them: what is added has one order. Where a stage makes several channels of each, those of its input keep theirs.
fn find_free_orders(stages: &mut [Stage<'_>]) {
    let mut is_bound = vec![false; stages.len()];
    for index in (0..stages.len()).rev() {
        let stage = &mut stages[index];
        let keeps_channels = stage.layer.arithmetic().keeps_channels();
        stage.has_free_order = !keeps_channels && !is_bound[index];
        let multiplies = stage.layer.input.channels != stage.layer.output.channels;
        if keeps_channels && (is_bound[index] || stage.reads.residual.is_some() || multiplies) {
            for source in stage.reads.iter() {
                if let Source::Output(read) = *source {
                    is_bound[read] = true;
                }
            }
        }
    }
}

/// What flows into each stage and out of it, given what the image is, and the output of each stage that has codes of its
/// own. A stage without passes on what it gets.
///
/// # Errors
/// Those of `own`.
pub fn flow<S: Copy, E>(
    stages: &[Stage<'_>],
    image: S,
    mut own: impl FnMut(&Stage<'_>, Inputs<S>) -> Result<S, E>,
) -> Result<Vec<Flow<S>>, E> {
    let mut flows: Vec<Flow<S>> = Vec::with_capacity(stages.len());
    for stage in stages {
        let inputs = stage.reads.map(|source| match source {
            Source::Image => image,
            // The output of the last stage has no codes, and no stage reads it.
            Source::Output(read) => flows.get(read).and_then(|flow| flow.output).unwrap_or(image),
        });
        let output = match stage.layer.arithmetic().has_own_codes() {
            _ if stage.is_last => None,
            true => Some(own(stage, inputs)?),
            false => Some(inputs.input),
        };
        flows.push(Flow { inputs, output });
    }
    Ok(flows)
}

/// A stage of a model file.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedStage {
    /// What it reads, by the index of a stage.
    pub reads: Inputs<Source>,
    /// What it computes.
    pub layer: QuantizedLayer,
}

/// The stages of a model file, given the numbers of each.
///
/// # Errors
/// Those of `numbers`; [`WrongNumbers`].
pub fn quantized_stages<E: From<WrongNumbers>>(
    stages: &[Stage<'_>],
    mut numbers: impl FnMut(&Stage<'_>) -> Result<Numbers, E>,
) -> Result<Vec<QuantizedStage>, E> {
    let mut quantized = Vec::with_capacity(stages.len());
    for stage in stages {
        let ShapedLayer { layer, input, .. } = stage.layer;
        let record = layer.operator().quantized(*input, numbers(stage)?, stage.fused.is_some());
        let wrong = |source| WrongNumbers { layer: stage.index, kind: layer.to_string(), source };
        quantized.push(QuantizedStage { reads: stage.reads, layer: record.map_err(wrong)? });
    }
    Ok(quantized)
}

/// The same with their weights, which are compact, in a layout each; compact where there is none for it.
#[must_use]
pub fn with_layouts(
    architecture: &Architecture,
    stages: Vec<QuantizedStage>,
    layouts: &[Layout],
) -> Vec<QuantizedStage> {
    let inputs = architecture.stages().iter().map(|stage| stage.layer.input).collect::<Vec<_>>();
    let layouts = layouts.iter().copied().chain(std::iter::repeat(Layout::Compact));
    let in_layout = |((stage, input), layout): ((QuantizedStage, Shape), Layout)| QuantizedStage {
        layer: stage.layer.with_layout(layout, input),
        ..stage
    };
    stages.into_iter().zip(inputs).zip(layouts).map(in_layout).collect()
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
        let mut requested = Vec::new();
        let flows = flow(&network.stages(), 100, |stage, _| {
            requested.push(stage.index);
            Ok::<_, Infallible>(stage.index)
        });
        let flows: Vec<(usize, Option<usize>)> =
            flows.unwrap().into_iter().map(|Flow { inputs, output }| (inputs.input, output)).collect();
        assert_eq!(flows, [(100, Some(100)), (100, Some(1)), (1, Some(1)), (1, Some(4)), (4, None)]);
        assert_eq!(requested, [1, 4]);
    }

    const RESIDUAL: [&str; 7] = [
        "{ name = \"a\", conv = { channels = 4, kernel = 3, padding = \"same\", relu = true } },",
        "{ max_pool = {} },",
        "{ name = \"b\", conv = { channels = 4, kernel = 3, padding = \"same\" } },",
        "{ name = \"c\", input = \"a\", max_pool = {} },",
        "{ add = { relu = true }, residual = \"b\" },",
        "{ conv = { channels = 4, kernel = 3, padding = \"same\" } },",
        "{ dense = {} }",
    ];

    #[test]
    fn a_convolution_that_two_layers_read_is_a_stage_of_its_own() {
        let network = network(&RESIDUAL.concat());
        let stages = network.stages();
        assert!(stages.iter().all(|stage| stage.fused.is_none()));
        let reads: Vec<Inputs<Source>> = stages.iter().map(|stage| stage.reads).collect();
        let one = |stage| Inputs::one(Source::Output(stage));
        let sum = Inputs { input: Source::Output(3), residual: Some(Source::Output(2)) };
        assert_eq!(reads, [Inputs::one(Source::Image), one(0), one(1), one(0), sum, one(4), one(5)]);
        assert_eq!(stages.iter().map(|stage| stage.readers).collect::<Vec<_>>(), [2, 1, 1, 1, 1, 1, 0]);
    }

    #[test]
    fn stages_are_read_by_their_own_index_and_not_by_that_of_a_layer() {
        let network = network(
            &[
                CONV,
                POOL,
                "{ name = \"a\", conv = { channels = 4, kernel = 1, padding = \"same\" } },",
                CONV,
                "{ add = {}, residual = \"a\" }, { dense = {} }",
            ]
            .concat(),
        );
        let stages = network.stages();
        assert_eq!(stages[3].reads, Inputs { input: Source::Output(2), residual: Some(Source::Output(1)) });
        assert_eq!(stages[3].index, 4);
    }

    #[test]
    fn channels_that_are_added_keep_their_order_and_others_are_free() {
        let network = network(&RESIDUAL.concat());
        let free: Vec<bool> = network.stages().iter().map(|stage| stage.has_free_order).collect();
        // Layer 0 reaches the add through a pool, and layer 2 directly.
        assert_eq!(free, [false, false, false, false, false, true, true]);
    }

    #[test]
    fn an_add_has_codes_of_its_own_that_may_depend_on_both_inputs() {
        let network = network(&RESIDUAL.concat());
        let flows = flow(&network.stages(), 1, |_, inputs| {
            Ok::<_, Infallible>(10 * inputs.input + inputs.residual.unwrap_or(0))
        });
        let flows: Vec<(i32, Option<i32>, Option<i32>)> =
            flows.unwrap().iter().map(|flow| (flow.inputs.input, flow.inputs.residual, flow.output)).collect();
        assert_eq!(flows[4], (10, Some(100), Some(200)), "the pool passes on the codes of layer 0");
        assert_eq!(flows[6], (2000, None, None));
    }

    #[test]
    fn the_first_stage_without_codes_ends_the_flow() {
        let network = network(&[DENSE, DENSE, "{ dense = {} }"].concat());
        assert_eq!(flow(&network.stages(), 0, |stage, _| Err::<usize, usize>(stage.index)), Err(0));
    }
}
