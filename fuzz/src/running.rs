//! What a file that loads does: it runs, with the same codes from the chosen kernels and from the portable ones, and the same again.

use infer_core::format::{Input, Layout, Metadata, Tensor, Thresholds};
use infer_core::header::HEADER_LEN;
use infer_core::kernels::operands::LogitsOperands;
use infer_core::kernels::portable::{self, Portable};
use infer_core::operators::{Layer, StageRecord};
use infer_core::plan::Plan;
use infer_core::{Header, Network};

/// Multiply-accumulates that a network may take to be run here: a millisecond or two under a sanitizer. Larger ones are loaded only.
const MOST_MACS: u64 = 1 << 18;

/// Bytes of arena and of input, together, that a network may take to be run here.
const MOST_MEMORY: usize = 1 << 18;

/// Runs a model file that loads.
///
/// # Panics
/// Where it does not run, or the portable kernels compute otherwise.
pub fn check(model: &[u8]) {
    let header = Header::parse(model).expect("it loaded before");
    let end = HEADER_LEN + header.payload_len as usize;
    let plan = Plan::from_payload(&model[HEADER_LEN..end]).expect("it loaded before");
    let input_len = plan.input.shape.len();
    if plan.macs() > MOST_MACS || plan.arena_len() + input_len > MOST_MEMORY {
        return;
    }
    // Exactly as long as they have to be: a sanitizer sees the first byte outside.
    let model = model[..end].to_vec();
    let mut arena = vec![0xA5; plan.arena_len()];
    let mut network = Network::new(&model, &mut arena).expect("the arena is as long as the file states");
    assert!(network.classify(&vec![0; input_len + 1]).is_err());
    for step in [0, 77] {
        let pixels: Vec<u8> = (0..input_len).map(|index| (index * step) as u8).collect();
        let mut trace = Vec::new();
        let output = network.classify_traced(&pixels, |_, codes| trace.push(codes.to_vec())).expect("it loaded");
        let logits = output.logits().to_vec();
        assert_eq!(logits.len(), usize::from(plan.classes()));
        assert_eq!(output.class(), output.top_k::<1>()[0].class);
        assert!(output.top_k::<4>().is_sorted_by(|a, b| (b.logit, a.class) < (a.logit, b.class)));
        output.probabilities(&mut [0.0; 4]);
        assert!(output.decide().is_none_or(|class| class == output.class() && output.threshold(class) <= 1.0));
        check_codes(&plan, &pixels, &trace);
        check_logits(&model, &pixels, &trace, &logits);
        assert_eq!(network.classify(&pixels).expect("it loaded").logits(), logits, "the second time");
    }
}

/// Every stage by the portable kernels, from what went into it.
fn check_codes(plan: &Plan<'_>, pixels: &[u8], trace: &[Vec<u8>]) {
    for (numbered, found) in plan.stages().zip(trace) {
        let mut scratch = vec![0xDEAD_BEEF; numbered.stage.scratch_len()];
        let mut codes = vec![0x5A; numbered.stage.output_len()];
        let input = read(pixels, trace, &numbered.ports.input);
        let second = numbered.ports.second.map_or(&[][..], |second| read(pixels, trace, &second));
        numbered.stage.call::<Portable>(input, second, &mut scratch, &mut codes);
        assert_eq!(*found, codes, "{numbered:?}");
    }
    assert_eq!(plan.stages().count(), trace.len());
}

/// What a stage reads: the image, or the output of an earlier stage.
fn read<'c>(pixels: &'c [u8], trace: &'c [Vec<u8>], tensor: &Tensor) -> &'c [u8] {
    match usize::from(tensor.source).checked_sub(1) {
        Some(stage) => &trace[stage],
        None => pixels,
    }
}

/// The logits by the portable kernel, the layer read by way of serde's own records.
///
/// These are stricter: they refuse a number that is written with more bytes than it needs. Then there is nothing to compare.
fn check_logits(model: &[u8], pixels: &[u8], trace: &[Vec<u8>], found: &[i32]) {
    let Some(StageRecord { ports, layer: Layer::Logits(last) }) = last_stage(&model[HEADER_LEN..]) else { return };
    let (biases, weights) = (last.biases.data, last.weights.data);
    let layout = Layout::numbered(last.layout).expect("it loaded");
    let operands = LogitsOperands { classes: last.classes, scale: last.scale, biases, layout, weights };
    let mut logits = vec![0; found.len()];
    let input = read(pixels, trace, &ports.input);
    match layout {
        Layout::Vector => portable::logits_vector(input, &operands, &mut [], &mut logits),
        Layout::Compact | Layout::Winograd => portable::logits(input, &operands, &mut [], &mut logits),
    }
    assert_eq!(found, logits);
}

fn last_stage(payload: &[u8]) -> Option<StageRecord<'_>> {
    let (_, rest) = postcard::take_from_bytes::<Metadata>(payload).ok()?;
    let (_, rest) = postcard::take_from_bytes::<Input>(rest).ok()?;
    let (_, rest) = postcard::take_from_bytes::<u32>(rest).ok()?;
    let (count, mut rest) = postcard::take_from_bytes::<u32>(rest).ok()?;
    let mut last = None;
    for _ in 0..count {
        let (stage, behind) = postcard::take_from_bytes::<StageRecord<'_>>(rest).ok()?;
        (last, rest) = (Some(stage), behind);
    }
    let Some(StageRecord { layer: Layer::Logits(logits), .. }) = last else { return last };
    let table = Thresholds::len(logits.classes);
    assert!(
        rest.is_empty() || rest.len() == table,
        "a file that loads ends with its last layer or a table of thresholds"
    );
    last
}
