//! What somebody meant by a key that architecture files do not have: names of other tools, and keys in the wrong place.

/// Keys of other tools, or of other files, and where what they mean is written here.
const HINTS: &[(&[&str], &str)] = &[
    (&["dropout"], "dropout belongs in the recipe, and applies to the inputs of dense layers"),
    (
        &["batch_norm", "batchnorm", "batch_normalization", "bn", "normalization"],
        "batch normalization is batch_norm = true on the convolution before it",
    ),
    (
        &["relu", "relu6", "re_lu", "activation", "act"],
        "an activation is a key: relu = true of convolutions, dense and add, relu6 = true of convolutions and add",
    ),
    (&["flatten", "reshape"], "no layer flattens: dense reads an input of any shape"),
    (&["softmax"], "the last dense layer returns logits, and softmax is not part of a network"),
    (&["conv2d", "convolution", "conv_2d"], "a convolution is conv"),
    (&["pointwise", "pointwise_conv", "conv1x1"], "a pointwise convolution is conv with kernel = 1"),
    (
        &["depthwise", "depthwise_conv2d", "dw_conv", "depthwise_convolution"],
        "a depthwise convolution is depthwise_conv",
    ),
    (
        &["separable_conv", "separable_conv2d", "separable"],
        "a separable convolution is two layers: depthwise_conv, then conv with kernel = 1",
    ),
    (&["groups"], "a convolution in as many groups as channels is depthwise_conv; others are not supported"),
    (&["maxpool", "max_pool2d", "maxpool2d", "max_pooling2d"], "a max-pool is max_pool"),
    (&["avgpool", "avg_pool", "avg_pool2d", "average_pool2d", "average_pooling2d"], "an average pool is average_pool"),
    (
        &["global_average_pool", "global_average_pooling2d", "global_avg_pool", "gap", "mean"],
        "the mean of each channel is average_pool = { global = true }",
    ),
    (&["linear", "fully_connected", "fc"], "a fully connected layer is dense"),
    (
        &["zero_padding2d", "zero_padding", "pad"],
        "padding is a key of a convolution or a pool: [above, left, below, right]",
    ),
    (&["padding"], "padding of a convolution or a pool is \"valid\", \"same\" or [above, left, below, right]"),
    (&["filters", "out_channels"], "output channels are channels"),
    (
        &["channels"],
        "a convolution has channels, a depthwise convolution those of its input times its multiplier, and dense has outputs",
    ),
    (&["units", "neurons"], "output values of a dense layer are outputs"),
    (&["kernel_size"], "rows and columns of a kernel are kernel"),
    (&["pool_size"], "rows and columns of the window of a pool are window"),
    (&["kernel"], "a convolution has a kernel, and a pool a window"),
    (&["strides"], "rows and columns from one window to the next are stride"),
    (&["depth_multiplier"], "output channels of each input channel are multiplier"),
    (&["alpha"], "the factor for all channels is width, above the layers"),
    (&["dilation", "dilation_rate"], "dilation is not supported"),
    (&["use_bias", "bias"], "every convolution and every dense layer has a bias"),
];

/// What a message about a number that is too large, negative or none at all calls a type, and what that holds.
const NUMBERS: &[(&str, &str)] = &[("expected u8", "it is 1 to 255"), ("expected u16", "it is 1 to 65,535")];

/// The hint for a message about a key that is unknown or missing, or about a number; empty for any other.
pub fn hint(message: &str) -> &'static str {
    if let Some((_, hint)) = NUMBERS.iter().find(|(expected, _)| message.trim_end().ends_with(expected)) {
        return hint;
    }
    let key = ["unknown field `", "unknown variant `", "missing field `"].iter().find_map(|before| {
        let (_, after) = message.split_once(before)?;
        after.split_once('`').map(|(key, _)| key)
    });
    let Some(key) = key else { return "" };
    let found = HINTS.iter().find(|(keys, _)| keys.contains(&key));
    found.map_or("", |(_, hint)| hint)
}

#[cfg(test)]
mod tests {
    use super::HINTS;
    use crate::network::Architecture;

    fn refuse(layer: &str) -> String {
        let text = format!("name = \"mine\"\ninput = [8, 8, 1]\nlayers = [{layer}, {{ dense = {{}} }}]");
        Architecture::from_toml(&text).unwrap_err().to_string()
    }

    #[test]
    fn keys_of_other_tools_are_answered_with_what_they_are_here() {
        for (layer, hint) in [
            (
                "{ dropout = { rate = 0.2 } }",
                "; dropout belongs in the recipe, and applies to the inputs of dense layers",
            ),
            ("{ batch_norm = {} }", "; batch normalization is batch_norm = true on the convolution before it"),
            ("{ conv = { filters = 8, kernel = 3, padding = \"same\" } }", "; output channels are channels"),
            (
                "{ depthwise_conv = { channels = 8, kernel = 3, padding = \"same\" } }",
                "; a convolution has channels, a depthwise convolution those of its input times its multiplier, and dense has outputs",
            ),
            (
                "{ depthwise_conv = { multiplier = 256, kernel = 3, padding = \"same\" } }",
                "expected u8; it is 1 to 255",
            ),
            ("{ conv = { channels = -1, kernel = 3, padding = \"same\" } }", "expected u16; it is 1 to 65,535"),
            (
                "{ conv = { channels = 8, kernel = 3 } }",
                "missing field `padding`; padding of a convolution or a pool is \"valid\", \"same\" or [above, left, below, right]",
            ),
            ("{ depthwise_conv2d = {} }", "; a depthwise convolution is depthwise_conv"),
            ("{ max_pool = { pool_size = 2 } }", "; rows and columns of the window of a pool are window"),
        ] {
            let message = refuse(layer);
            assert!(message.ends_with(hint), "{message}");
        }
        let message = refuse("{ dense = { outputs = 8, relu6 = true } }, { relu = true }");
        assert!(message.contains("relu6 = true of convolutions and add"), "{message}");
        let message = refuse("{ nonsense = {} }");
        assert!(HINTS.iter().all(|(_, hint)| !message.contains(hint)), "{message}");
    }
}
