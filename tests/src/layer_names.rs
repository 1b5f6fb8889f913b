//! Single layers by name, and those that each core's costs are measured with.

use infer_core::Shape;
use infer_core::format::Window;
use trainer::image::parse_shape;

use crate::random_model::{HALVES, Kind, same};

/// The [layers](single_layer) that each core's costs are measured with.
pub const MEASURED: &[&str] = &[
    "conv:12x12x16:32:3:same",
    "conv:28x28x1:32:3:valid",
    "conv:14x14x8:16:5:valid",
    "conv:16x16x3:16:3:same",
    "conv:8x8x32:64:3:same",
    "conv:8x8x16:32:1:same",
    "conv:7x7x32:10:3:valid",
    "conv:96x96x3:8:3:same:2",
    "conv:49x10x1:64:10x4:same:2",
    "conv:32x32x16:32:3:same:2",
    "conv:16x16x32:64:3:same:2",
    "conv:32x32x16:32:1:same:2",
    "conv:48x48x8:16:1:same",
    "conv:25x5x64:64:1:same",
    "conv:6x6x128:128:1:same",
    "conv-pool:12x12x16:32:3:same",
    "conv-pool:28x28x1:32:3:valid",
    "conv-pool:14x14x8:16:5:valid",
    "conv-pool:32x32x3:16:3:same",
    "conv-pool:8x8x32:64:3:same",
    "conv-pool:8x8x16:32:1:same",
    "conv-pool:14x14x32:10:3:same",
    "conv-pool:28x28x1:8:3:same",
    "conv-pool:24x24x8:24:3:same",
    "conv-pool:32x32x8:16:3:same",
    "fast:conv:12x12x16:32:3:same",
    "fast:conv:24x24x16:16:3:same",
    "fast:conv:12x12x32:32:3:same",
    "fast:conv:7x7x64:48:3:same",
    "fast:conv:24x24x8:12:3:same",
    "fast:conv:7x7x48:20:3:valid",
    "fast:conv-pool:14x14x24:32:3:same",
    "fast:conv-pool:12x12x16:32:3:same",
    "fast:conv-pool:28x28x8:16:3:valid",
    "fast:conv-pool:6x6x64:48:3:same",
    "fast:conv-pool:7x7x32:20:3:same",
    "vector:conv:12x12x16:32:3:same",
    "vector:conv:16x16x3:16:3:same",
    "vector:conv:8x8x64:48:3:same",
    "vector:conv:32x32x16:32:3:same:2",
    "vector:conv:49x10x1:64:10x4:same:2",
    "vector:conv:48x48x8:16:1:same",
    "vector:conv:25x5x64:64:1:same",
    "vector:conv:6x6x128:128:1:same",
    "vector:conv:7x7x32:10:3:valid",
    "vector:conv-pool:28x28x1:32:3:valid",
    "vector:conv-pool:12x12x16:32:3:same",
    "vector:conv-pool:32x32x3:16:3:same",
    "vector:conv-pool:8x8x32:64:3:same",
    "vector:conv-pool:14x14x24:48:3:same",
    "vector:conv-pool:8x8x16:32:1:same",
    "depthwise:48x48x8:3:same",
    "depthwise:48x48x8:3:same:2",
    "depthwise:32x32x16:3:same",
    "depthwise:25x5x64:3:same",
    "depthwise:12x12x32:3:same",
    "depthwise:12x12x32:5:same",
    "depthwise:12x12x32:5:valid",
    "depthwise:24x12x16:7x3:same",
    "depthwise:24x24x32:3:same:2",
    "depthwise:6x6x128:3:same",
    "depthwise:16x16x16:3:same:3",
    "depthwise:12x12x32:3:same:1:2",
    "depthwise:6x6x128:3:same:2",
    "depthwise:3x3x256:3:same",
    "vector:depthwise:48x48x8:3:same",
    "vector:depthwise:25x5x64:3:same",
    "vector:depthwise:24x24x32:3:same:2",
    "vector:depthwise:6x6x128:3:same",
    "vector:depthwise:3x3x256:3:same",
    "vector:depthwise:12x12x32:5:same",
    "vector:depthwise:12x12x64:3:same",
    "max-pool:24x24x8",
    "max-pool:12x12x32",
    "max-pool:28x28x1",
    "max-pool:24x24x8:3:same:2",
    "max-pool:12x12x32:3:valid:1",
    "max-pool:16x16x16:2:valid:1",
    "max-pool:16x16x32:5:same:2",
    "add:12x12x16",
    "add:24x24x8",
    "add:28x28x1",
    "average-pool:24x24x8:2:2",
    "average-pool:12x12x32:3:1",
    "average-pool:8x8x64:0:1",
    "average-pool:25x5x64:0:1",
    "average-pool:3x3x256:0:1",
    "average-pool:28x28x1:2:2",
    "dense:28x28x1:350",
    "dense:28x28x1:100",
    "dense:13x13x32:100",
    "dense:1x1x256:10",
    "dense:7x7x64:10",
    "dense:1x1x100:37",
    "vector:dense:28x28x1:350",
    "vector:dense:13x13x32:100",
    "vector:dense:1x1x256:10",
    "vector:dense:7x7x64:16",
    "vector:dense:1x1x100:37",
];

/// `conv:HxWxC:CHANNELS:KERNEL:PADDING[:STRIDE]`, `conv-pool:HxWxC:CHANNELS:KERNEL:PADDING`,
/// `depthwise:HxWxC:KERNEL:PADDING[:STRIDE[:MULTIPLIER]]`, `max-pool:HxWxC[:WINDOW:PADDING:STRIDE]`,
/// `average-pool:HxWxC:WINDOW:STRIDE`, `dense:HxWxC:OUTPUTS`: the input, and the layers that the kernels run as one.
///
/// A kernel is its side, or `ROWSxCOLUMNS`; the padding is `same` or `valid`. The window 0 is the whole input.
#[must_use]
pub fn single_layer(name: &str) -> Option<(Shape, Vec<Kind>)> {
    let parts: Vec<&str> = name.split(':').collect();
    let input = parse_shape(parts.get(1)?).ok()?;
    let window = |size: &str, padding: &str, stride: &str| {
        let (rows, columns) = size.split_once('x').unwrap_or((size, size));
        let (size, stride) = ([rows.parse().ok()?, columns.parse().ok()?], stride.parse().ok()?);
        match padding {
            "same" => same(input, size, stride),
            "valid" => Some(Window { size, stride: [stride; 2], padding: [0; 4] }),
            _ => None,
        }
    };
    let conv = |channels: &str, size: &str, padding: &str, stride: &str| {
        Some(Kind::Conv(channels.parse().ok()?, window(size, padding, stride)?))
    };
    let depthwise = |size: &str, padding: &str, stride: &str, multiplier: &str| {
        Some(Kind::Depthwise(multiplier.parse().ok()?, window(size, padding, stride)?))
    };
    let layers = match parts[..] {
        ["conv", _, channels, size, padding] => vec![conv(channels, size, padding, "1")?],
        ["conv", _, channels, size, padding, stride] => vec![conv(channels, size, padding, stride)?],
        ["conv-pool", _, channels, size, padding] => vec![conv(channels, size, padding, "1")?, Kind::MaxPool(HALVES)],
        ["depthwise", _, size, padding] => vec![depthwise(size, padding, "1", "1")?],
        ["depthwise", _, size, padding, stride] => vec![depthwise(size, padding, stride, "1")?],
        ["depthwise", _, size, padding, stride, multiplier] => vec![depthwise(size, padding, stride, multiplier)?],
        ["max-pool", _] => vec![Kind::MaxPool(HALVES)],
        ["max-pool", _, size, padding, stride] => vec![Kind::MaxPool(window(size, padding, stride)?)],
        ["average-pool", _, "0", _] => vec![Kind::AveragePool(Window::WHOLE)],
        ["average-pool", _, size, stride] => vec![Kind::AveragePool(window(size, "valid", stride)?)],
        ["dense", _, outputs] => vec![Kind::Dense(outputs.parse().ok()?)],
        _ => return None,
    };
    Some((input, layers))
}

#[cfg(test)]
mod tests {
    use trainer::support::rng::{ChaCha8Rng, SeedableRng};

    use super::*;

    const IMAGE: Shape = Shape { height: 49, width: 10, channels: 1 };

    #[test]
    fn layers_have_names() {
        let window = |size, stride, padding| Window { size, stride, padding };
        let layer = |name: &str| single_layer(name).map(|(input, kinds)| (input, format!("{kinds:?}")));
        let cases = [
            ("conv:49x10x1:64:3:same", vec![Kind::Conv(64, window([3; 2], [1; 2], [1; 4]))]),
            ("conv:49x10x1:64:10x4:same:2", vec![Kind::Conv(64, window([10, 4], [2; 2], [4, 1, 5, 1]))]),
            ("conv-pool:49x10x1:8:5:valid", vec![Kind::Conv(8, window([5; 2], [1; 2], [0; 4])), Kind::HALVES]),
            ("depthwise:49x10x1:3:same", vec![Kind::Depthwise(1, window([3; 2], [1; 2], [1; 4]))]),
            ("depthwise:49x10x1:3:same:2", vec![Kind::Depthwise(1, window([3; 2], [2; 2], [1, 0, 1, 1]))]),
            ("depthwise:49x10x1:7x1:valid:3:2", vec![Kind::Depthwise(2, window([7, 1], [3; 2], [0; 4]))]),
            ("max-pool:49x10x1", vec![Kind::HALVES]),
            ("max-pool:49x10x1:3:same:2", vec![Kind::MaxPool(window([3; 2], [2; 2], [1, 0, 1, 1]))]),
            ("average-pool:49x10x1:0:1", vec![Kind::AveragePool(Window::WHOLE)]),
            ("average-pool:49x10x1:3:2", vec![Kind::AveragePool(window([3; 2], [2; 2], [0; 4]))]),
            ("dense:49x10x1:7", vec![Kind::Dense(7)]),
        ];
        for (name, kinds) in cases {
            assert_eq!(layer(name), Some((IMAGE, format!("{kinds:?}"))), "{name}");
        }
        let none = [
            "conv:49x10x1",
            "conv:49x10:8:3:same",
            "conv:49x10x1:8:3:round",
            "conv:49x10x1:8:3x:same",
            "conv-pool:49x10x1:8:3:same:2",
            "depthwise:49x10x1:3",
            "depthwise:49x10x1:3:same:1:1:1",
            "max-pool:49x10x1:3",
            "dense:49x10x1",
            "sum:49x10x1",
        ];
        none.into_iter().for_each(|name| assert_eq!(layer(name), None, "{name}"));
    }

    /// One that is too much work would be left out of its network.
    #[test]
    fn measured_layers_are_in_their_networks() {
        let mut random = ChaCha8Rng::seed_from_u64(48);
        for name in MEASURED.iter().filter(|name| !name.starts_with("add:")) {
            let (mut shape, kinds) = single_layer(name.trim_start_matches("fast:").trim_start_matches("vector:"))
                .unwrap_or_else(|| panic!("{name}"));
            assert!(kinds.iter().all(|kind| kind.layer(&mut random, &mut shape).is_some()), "{name}");
        }
    }
}
