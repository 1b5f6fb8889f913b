{%- if takes_frames -%}
//! Where frames come from: a stub that returns one test image. Your camera's driver goes here.

use infer_core::Error;
use infer_core::camera::{Format, Frame};

/// The test image, as the camera would deliver it.
static TEST_IMAGE: &[u8] = include_bytes!("../image.bin");

/// The next frame.
///
/// Instead of the stub, return the buffer of your driver, with its format and size. For a camera that sends {{ example_width }}x{{ example_height }} pixels in RGB565,
/// the higher byte first:
///
/// ```text
/// let buffer: &'static mut [u8; {{ example_width }} * {{ example_height }} * 2] = ...; // yours, taken once
/// camera.capture(buffer); // your driver: starts a capture and waits for its end
/// Frame::new(Format::Rgb565Be, {{ example_width }}, {{ example_height }}, buffer)
/// ```
///
/// That is all: the model file describes crop, size, rotation and colors (`{{ preprocessing }}`),
/// and `classify_frame` applies them as in training.
{%- if !scales %} Only the size is not free: this model takes frames that are {{ frame_width }} pixels wide and
/// {{ frame_height }} high. `trainer fit --input {{ input }}` makes one that takes frames of any size.
{%- endif %}
pub fn capture() -> Result<Frame<'static>, Error> {
    Frame::new(Format::{{ frame_format }}, {{ frame_width }}, {{ frame_height }}, TEST_IMAGE)
}
{%- else -%}
//! Where inputs come from: a stub that returns one test input. Your sensor's driver goes here.

use infer_core::input_len;

/// As many bytes as the model takes.
static TEST_INPUT: [u8; input_len(crate::MODEL)] = *include_bytes!("../image.bin");

/// The next input, {{ input }}: rows from the top, places from the left, {{ pixels }}, a byte each.
///
/// Instead of the stub, fill a buffer of that size and order as in training, and return it.
pub fn capture() -> &'static [u8] {
    &TEST_INPUT
}
{%- endif %}
