//! The layers of a candidate, as the TOML file of a network (`docs/networks.md`).

use std::fmt::Write;

use infer_core::Shape;

use super::parameter::{Value, Values};

/// What a stage is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    Convolution,
    Separable,
    Residual,
}

/// How a stage makes its map smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Downsample {
    None,
    /// The first convolution has a stride of 2.
    Stride,
    /// A 2x2 max-pool follows the last one.
    Pool,
}

/// A layer, as the file has it.
struct FileLayer {
    comment: Option<String>,
    name: Option<String>,
    /// The layers that it reads besides the one before: keys of the file, and names.
    reads: Vec<(&'static str, String)>,
    body: String,
}

/// A network that grows layer by layer.
struct Layers {
    layers: Vec<FileLayer>,
    /// Shape of the last layer's output.
    map: Shape,
    batch_norm: bool,
    depthwise_relu: bool,
    /// What the next layer is the first of.
    comment: Option<String>,
}

/// One convolution of a stage.
#[derive(Clone, Copy)]
struct Window {
    kernel: u16,
    stride: u16,
    padding: &'static str,
}

/// The file of the network that these values describe, for inputs of this shape. `values` are
/// [complete](super::Space::complete).
#[must_use]
pub fn network_file(name: &str, values: &Values, input: Shape) -> String {
    let whole = |key: &str| values.get(key).and_then(Value::whole).unwrap_or_default();
    let number = |key: &str| u16::try_from(whole(key)).unwrap_or(u16::MAX);
    let word = |key: &str| match values.get(key) {
        Some(Value::Word(word)) => word.as_str(),
        _ => "",
    };
    let flag = |key: &str| values.get(key) == Some(&Value::Flag(true));
    let mut layers = Layers {
        layers: Vec::new(),
        map: input,
        batch_norm: flag("batch_norm"),
        depthwise_relu: flag("depthwise_relu"),
        comment: None,
    };
    for stage in 1..=whole("stages") {
        let key = |key: &str| format!("stage{stage}.{key}");
        let block = match word(&key("block")) {
            "separable" => Block::Separable,
            "residual" => Block::Residual,
            _ => Block::Convolution,
        };
        let downsample = match word(&key("downsample")) {
            "stride" => Downsample::Stride,
            "pool" => Downsample::Pool,
            _ => Downsample::None,
        };
        layers.comment = Some(format!("Stage {stage}."));
        let blocks = whole(&key("blocks"));
        for index in 0..blocks {
            let stride = if index == 0 && downsample == Downsample::Stride { 2 } else { 1 };
            let padding = if word(&key("padding")) == "valid" { "valid" } else { "same" };
            let window = Window { kernel: number(&key("kernel")), stride, padding };
            let channels = number(&key("channels"));
            match block {
                Block::Convolution => layers.conv(channels, window, true),
                Block::Separable => {
                    layers.depthwise(window);
                    layers.conv(channels, Window { kernel: 1, stride: 1, padding: "same" }, true);
                }
                Block::Residual => layers.residual(&format!("stage {stage}, block {}", index + 1), channels, window),
            }
        }
        if downsample == Downsample::Pool {
            layers.pool();
        }
    }
    layers.comment = Some("The head.".to_owned());
    if word("head") == "mean" && (layers.map.height, layers.map.width) != (1, 1) {
        layers.push("average_pool = { global = true }".to_owned());
    }
    if whole("dense") > 0 {
        layers.push(format!("dense = {{ outputs = {}, relu = true }}", whole("dense")));
    }
    layers.push("dense = {}".to_owned());
    layers.file(name, input)
}

impl Layers {
    fn push(&mut self, body: String) {
        self.layers.push(FileLayer { comment: self.comment.take(), name: None, reads: Vec::new(), body });
    }

    /// The options of a convolution, after which the map has another size.
    fn window(&mut self, Window { kernel, stride, padding }: Window, relu: bool) -> String {
        // Where the kernel does not fit, there is nothing but padding to be had.
        let is_valid = padding == "valid" && kernel <= self.map.height.min(self.map.width);
        let side = |side: u16| if is_valid { (side - kernel) / stride + 1 } else { side.div_ceil(stride) };
        (self.map.height, self.map.width) = (side(self.map.height), side(self.map.width));
        let mut options = format!("kernel = {kernel}");
        if stride > 1 {
            let _ = write!(options, ", stride = {stride}");
        }
        let _ = write!(options, ", padding = \"{}\"", if is_valid { "valid" } else { "same" });
        for (key, is_set) in [("batch_norm", self.batch_norm), ("relu", relu)] {
            if is_set {
                let _ = write!(options, ", {key} = true");
            }
        }
        options
    }

    fn conv(&mut self, channels: u16, window: Window, relu: bool) {
        let options = self.window(window, relu);
        self.map.channels = channels;
        self.push(format!("conv = {{ channels = {channels}, {options} }}"));
    }

    fn depthwise(&mut self, window: Window) {
        let options = self.window(window, self.depthwise_relu);
        self.push(format!("depthwise_conv = {{ {options} }}"));
    }

    /// Two convolutions, and the add of their output and the input, which a 1x1 convolution brings to that shape where it has
    /// another one. What is added has one size whatever the padding of others: it is `same` here.
    fn residual(&mut self, name: &str, channels: u16, window: Window) {
        let before = self.map;
        let input = match self.layers.last_mut() {
            Some(last) => last.name.get_or_insert_with(|| format!("before {name}")).clone(),
            None => "image".to_owned(),
        };
        let window = Window { padding: "same", ..window };
        self.conv(channels, window, true);
        self.conv(channels, Window { stride: 1, ..window }, false);
        let added = if self.map == before {
            input
        } else {
            let main = format!("{name}, main path");
            if let Some(last) = self.layers.last_mut() {
                last.name = Some(main.clone());
            }
            // Its output has the shape of the main path's, which is computed from the same input.
            let map = std::mem::replace(&mut self.map, before);
            self.conv(channels, Window { kernel: 1, ..window }, false);
            self.map = map;
            if let Some(shortcut) = self.layers.last_mut() {
                shortcut.reads.push(("input", input));
            }
            main
        };
        self.push("add = { relu = true }".to_owned());
        if let Some(add) = self.layers.last_mut() {
            add.name = Some(name.to_owned());
            add.reads.push(("residual", added));
        }
    }

    /// A 2x2 max-pool, unless the map is too small for one.
    fn pool(&mut self) {
        if self.map.height >= 2 && self.map.width >= 2 {
            (self.map.height, self.map.width) = (self.map.height / 2, self.map.width / 2);
            self.push("max_pool = {}".to_owned());
        }
    }

    fn file(self, name: &str, Shape { height, width, channels }: Shape) -> String {
        let name = toml::Value::String(name.to_owned());
        let mut text = format!("name = {name}\ninput = [{height}, {width}, {channels}]\n");
        // A name that no layer reads is of no use.
        let read: Vec<&String> =
            self.layers.iter().flat_map(|layer| layer.reads.iter().map(|(_, name)| name)).collect();
        for layer in &self.layers {
            text.push('\n');
            if let Some(comment) = &layer.comment {
                let _ = writeln!(text, "# {comment}");
            }
            text.push_str("[[layers]]\n");
            if let Some(name) = layer.name.as_ref().filter(|name| read.contains(name)) {
                let _ = writeln!(text, "name = \"{name}\"");
            }
            for (key, name) in &layer.reads {
                let _ = writeln!(text, "{key} = \"{name}\"");
            }
            let _ = writeln!(text, "{}", layer.body);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Architecture;

    const INPUT: Shape = Shape { height: 28, width: 28, channels: 1 };

    fn values(text: &str) -> Values {
        let table: toml::Table = text.parse().unwrap();
        let value = |value: &toml::Value| match value {
            toml::Value::Integer(whole) => Value::Whole(*whole),
            toml::Value::Boolean(flag) => Value::Flag(*flag),
            other => Value::Word(other.as_str().unwrap().to_owned()),
        };
        let mut values = Values::new();
        for (key, found) in &table {
            match found.as_table() {
                Some(stage) => {
                    values.extend(stage.iter().map(|(inner, found)| (format!("{key}.{inner}"), value(found))))
                }
                None => _ = values.insert(key.clone(), value(found)),
            }
        }
        values
    }

    fn network(text: &str, input: Shape) -> Architecture {
        let file = network_file("mine", &values(text), input);
        Architecture::from_toml(&file).unwrap_or_else(|error| panic!("{error}\n{file}"))
    }

    const TINY: &str = "stages = 3\ndense = 0
        stage1 = { blocks = 1, channels = 16, kernel = 3, downsample = \"pool\", padding = \"same\" }
        stage2 = { blocks = 1, channels = 32, kernel = 3, downsample = \"pool\", padding = \"same\" }
        stage3 = { blocks = 1, channels = 32, kernel = 3, downsample = \"pool\", padding = \"valid\" }";

    /// What `docs/networks.md` calls the same network has the same layers.
    #[test]
    fn built_in_networks_are_candidates() {
        let layers =
            |architecture: &Architecture| architecture.layers.iter().map(|layer| layer.layer).collect::<Vec<_>>();
        let built_in = |name| Architecture::built_in(name).unwrap();
        assert_eq!(layers(&network(TINY, INPUT)), layers(&built_in("tiny")));
        let nano = "stages = 4\nbatch_norm = true\ndepthwise_relu = false\nhead = \"mean\"\ndense = 0
            stage1 = { block = \"convolution\", blocks = 1, channels = 8, kernel = 3 }
            stage2 = { block = \"separable\", blocks = 1, channels = 10, kernel = 3, downsample = \"pool\" }
            stage3 = { block = \"separable\", blocks = 2, channels = 16, kernel = 3, downsample = \"pool\" }
            stage4 = { block = \"separable\", blocks = 2, channels = 20, kernel = 3 }";
        assert_eq!(layers(&network(nano, INPUT)), layers(&built_in("nano")));
        let resnet = "stages = 4\nbatch_norm = true\nhead = \"mean\"\ndense = 0
            stage1 = { block = \"convolution\", blocks = 1, channels = 16, kernel = 3 }
            stage2 = { block = \"residual\", blocks = 1, channels = 16, kernel = 3 }
            stage3 = { block = \"residual\", blocks = 1, channels = 32, kernel = 3, downsample = \"stride\" }
            stage4 = { block = \"residual\", blocks = 1, channels = 64, kernel = 3, downsample = \"stride\" }";
        let resnet = network(resnet, Shape { height: 32, width: 32, channels: 3 });
        assert_eq!(layers(&resnet), layers(&built_in("resnet8")));
        assert_eq!((resnet.parameters(), resnet.macs()), (77_706, 12_501_632));
    }

    #[test]
    fn every_kind_of_block_is_a_network_at_every_size_of_a_map() {
        for block in ["convolution", "separable", "residual"] {
            for downsample in ["none", "stride", "pool"] {
                for (blocks, padding, head) in [(1, "same", "mean"), (2, "valid", "flatten"), (3, "same", "flatten")] {
                    for side in [1, 2, 3, 5, 8, 28] {
                        let stage = format!(
                            "{{ block = \"{block}\", blocks = {blocks}, channels = 4, kernel = 3, downsample = \"{downsample}\", \
                             padding = \"{padding}\" }}"
                        );
                        let text = format!(
                            "stages = 3\nbatch_norm = true\nhead = \"{head}\"\ndense = 8\nstage1 = {stage}\nstage2 = {stage}\nstage3 = {stage}"
                        );
                        let network = network(&text, Shape { height: side, width: side, channels: 1 });
                        assert!(network.layers.len() > 3, "{network}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_file_says_which_stage_a_layer_is_of_and_names_what_is_read() {
        let text = "stages = 2\nstage1 = { block = \"residual\", blocks = 2, channels = 1, kernel = 3 }
            stage2 = { block = \"residual\", blocks = 1, channels = 2, kernel = 3, downsample = \"stride\" }";
        let file = network_file("mine", &values(text), INPUT);
        assert!(file.starts_with("name = \"mine\"\ninput = [28, 28, 1]\n\n# Stage 1.\n[[layers]]\nconv = "), "{file}");
        assert!(file.contains("residual = \"image\""), "{file}");
        assert_eq!(file.matches("name = ").count(), 1 + 3, "{file}");
        assert!(file.ends_with("\n# The head.\n[[layers]]\ndense = {}\n"), "{file}");
        Architecture::from_toml(&file).unwrap();
    }
}
