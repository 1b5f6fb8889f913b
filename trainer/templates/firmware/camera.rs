//! Where images come from: a stub that returns one test image. Your camera's driver goes here.

use infer_core::input_len;

/// As many bytes as the model takes.
static TEST_IMAGE: [u8; input_len(crate::MODEL)] = *include_bytes!("../image.bin");

/// The next image, {{ input }}: rows from the top, pixels from the left, {{ pixels }}, a byte each as the sensor measured it.
///
/// In place of this, start a capture, wait for its end, bring the frame to that size and order, and return the buffer. Crop and scale as was
/// done in training, or the answers are worse than `trainer eval` promises:
/// {{ preprocessing }}
pub fn capture() -> &'static [u8] {
    &TEST_IMAGE
}
