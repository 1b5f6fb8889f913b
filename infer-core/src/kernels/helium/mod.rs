//! Cortex-M52, M55 and M85 with integer vectors (Helium).

mod add;
mod conv2d;
mod cpu;
mod dense;
mod depthwise;
mod gather;
mod pools;

pub use add::add;
pub use conv2d::conv2d;
pub use dense::{dense, logits};
pub use depthwise::depthwise_conv2d;
pub use pools::{average_pool2d, max_pool2d};
