//! How layers are connected: the names that they have, and what each of them reads.
//!
//! A layer reads the one before it, unless it names another; the first one reads the image. What a layer reads runs before it, so
//! the order of a list of layers is an order in which they can run.

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;

use infer_core::Shape;
use serde::de::value::StringDeserializer;
use serde::de::{self, DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, VariantAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::inputs::{Inputs, Source};
use super::layers::Layer;
use crate::support::limits::LONGEST_NAME;
use crate::support::printable::is_control;

/// The name by which a layer reads the image.
pub const IMAGE: &str = "image";

/// A layer of an architecture, with the names that connect it to others.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Node<L = Layer> {
    /// The name by which later layers read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The name of the layer that it reads; `None`: the one before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// The name of the layer that it adds to its input, if it is an add.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub residual: Option<String>,
    /// What it does.
    #[serde(flatten)]
    pub layer: L,
}

/// Why layers are not connected.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    /// A name that a layer cannot have.
    #[error(
        "a layer cannot have the name {name:?}: a name has 1 to {LONGEST_NAME} bytes and no control characters, and \
         {IMAGE:?} is the image"
    )]
    Name {
        /// The name in the file.
        name: String,
    },
    /// Two layers have one name.
    #[error("layer {first} already has the name {name:?}")]
    NameTaken {
        /// The name of both.
        name: String,
        /// Index of the one before.
        first: usize,
    },
    /// It reads a layer that does not exist.
    #[error("it reads {name:?}, but no layer has this name; {}", known(names))]
    Unknown {
        /// The name that no layer has.
        name: String,
        /// The names that there are.
        names: Vec<String>,
    },
    /// It reads itself, or a layer after it.
    #[error("it reads {name:?}, which is layer {layer}; a layer can only read earlier layers")]
    NotBefore {
        /// The name of the other.
        name: String,
        /// Index of the other.
        layer: usize,
    },
    /// No layer reads it.
    #[error("no layer reads its output; give it a name, and a later layer input = \"NAME\" or residual = \"NAME\"")]
    NotRead,
    /// An add without a residual.
    #[error("it adds an earlier layer to its input, but names none: give it residual = \"NAME\"")]
    NoResidual,
    /// A residual of a layer that is no add.
    #[error("it has residual = {name:?}, and only add has a residual")]
    Residual {
        /// The name of the residual.
        name: String,
    },
    /// An add of a layer to itself.
    #[error("its input and its residual are the same; an add has two different inputs")]
    Itself,
    /// An add of two shapes.
    #[error("its input is {input} and its residual {name:?} is {residual}; they must have the same shape")]
    Shapes {
        /// Name of the residual.
        name: String,
        /// Shape of the input.
        input: Shape,
        /// Shape of the residual.
        residual: Shape,
    },
}

/// The names of layers, for a message.
fn known(names: &[String]) -> String {
    match names {
        [] => "none has a name yet".to_owned(),
        [name] => format!("{name:?} is the only name"),
        names => {
            format!("the names are {}", names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", "))
        }
    }
}

impl<L> Node<L> {
    /// A layer without a name that reads the one before it.
    pub fn new(layer: L) -> Self {
        Self { name: None, input: None, residual: None, layer }
    }

    /// The same names around another layer.
    pub fn with<M>(&self, layer: M) -> Node<M> {
        Node { name: self.name.clone(), input: self.input.clone(), residual: self.residual.clone(), layer }
    }
}

impl From<Layer> for Node {
    fn from(layer: Layer) -> Self {
        Self::new(layer)
    }
}

impl From<&Layer> for Node {
    fn from(layer: &Layer) -> Self {
        Self::new(*layer)
    }
}

impl From<&Self> for Node {
    fn from(node: &Self) -> Self {
        node.clone()
    }
}

/// What each layer reads.
///
/// # Errors
/// The index of a layer, and what is wrong with its name or with what it reads.
pub(super) fn connect(nodes: &[Node]) -> Result<Vec<Inputs<Source>>, (usize, ConnectionError)> {
    let names = names(nodes)?;
    let mut read = vec![false; nodes.len()];
    let mut connections = Vec::with_capacity(nodes.len());
    for (index, Node { input, residual, layer, .. }) in nodes.iter().enumerate() {
        let find = |name: &String| match names.get(name.as_str()) {
            _ if name == IMAGE => Ok(Source::Image),
            Some(&layer) if layer < index => Ok(Source::Output(layer)),
            Some(&layer) => Err((index, ConnectionError::NotBefore { name: name.clone(), layer })),
            None => {
                let names = nodes.iter().filter_map(|node| node.name.clone()).collect();
                Err((index, ConnectionError::Unknown { name: name.clone(), names }))
            }
        };
        let before = index.checked_sub(1).map_or(Source::Image, Source::Output);
        let input = input.as_ref().map(find).transpose()?.unwrap_or(before);
        let residual = match (layer.operator().takes_residual(), residual) {
            (true, Some(name)) => Some(find(name)?),
            (false, None) => None,
            (true, None) => return Err((index, ConnectionError::NoResidual)),
            (false, Some(name)) => return Err((index, ConnectionError::Residual { name: name.clone() })),
        };
        if residual == Some(input) {
            return Err((index, ConnectionError::Itself));
        }
        let inputs = Inputs { input, residual };
        for source in inputs.iter() {
            if let Source::Output(layer) = *source {
                read[layer] = true;
            }
        }
        connections.push(inputs);
    }
    read.pop();
    match read.iter().position(|&read| !read) {
        Some(index) => Err((index, ConnectionError::NotRead)),
        None => Ok(connections),
    }
}

/// The index of the layer with each name.
fn names(nodes: &[Node]) -> Result<HashMap<&str, usize>, (usize, ConnectionError)> {
    let mut names = HashMap::new();
    for (index, node) in nodes.iter().enumerate() {
        let Some(name) = node.name.as_deref() else { continue };
        if name.is_empty() || name == IMAGE || name.len() > LONGEST_NAME || name.contains(is_control) {
            return Err((index, ConnectionError::Name { name: name.chars().take(40).collect() }));
        }
        if let Some(first) = names.insert(name, index) {
            return Err((index, ConnectionError::NameTaken { name: name.to_owned(), first }));
        }
    }
    Ok(names)
}

/// A table with the operator under its own key, such as `conv`, and the names under theirs.
impl<'de, L: Deserialize<'de>> Deserialize<'de> for Node<L> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(NodeVisitor(PhantomData))
    }
}

struct NodeVisitor<L>(PhantomData<L>);

impl<'de, L: Deserialize<'de>> Visitor<'de> for NodeVisitor<L> {
    type Value = Node<L>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a layer")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node<L>, A::Error> {
        let mut names = Node::new(());
        let mut layer = None;
        while let Some(key) = map.next_key::<String>()? {
            let name = match key.as_str() {
                "name" => &mut names.name,
                "input" => &mut names.input,
                "residual" => &mut names.residual,
                _ => {
                    let operator = L::deserialize(Entry { key: key.clone(), map: &mut map })?;
                    if layer.replace(operator).is_some() {
                        return Err(de::Error::custom(format!(
                            "{key:?} is one key too many: a layer has one operator"
                        )));
                    }
                    continue;
                }
            };
            if name.replace(map.next_value()?).is_some() {
                return Err(de::Error::custom(format!("{key} is there twice")));
            }
        }
        let layer = layer.ok_or_else(|| de::Error::custom("a layer without an operator, such as conv"))?;
        Ok(names.with(layer))
    }
}

/// An entry of a map as an enum: the key is its variant and the value what the variant holds.
struct Entry<'m, A> {
    key: String,
    map: &'m mut A,
}

impl<'de, A: MapAccess<'de>> Deserializer<'de> for Entry<'_, A> {
    type Error = A::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_enum(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, 'm, A: MapAccess<'de>> EnumAccess<'de> for Entry<'m, A> {
    type Error = A::Error;
    type Variant = Value<'m, A>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Value<'m, A>), A::Error> {
        let key: StringDeserializer<A::Error> = self.key.into_deserializer();
        // A message of toml ends in a new line.
        let other_keys = |error: A::Error| {
            let message = error.to_string();
            de::Error::custom(format!("{}; or one of the names `name`, `input`, `residual`", message.trim_end()))
        };
        Ok((seed.deserialize(key).map_err(other_keys)?, Value(self.map)))
    }
}

/// The value of an entry whose key was read.
struct Value<'m, A>(&'m mut A);

impl<'de, A: MapAccess<'de>> VariantAccess<'de> for Value<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.0.next_value()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, A::Error> {
        Err(de::Error::custom("an operator has keys, no list of values"))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, A::Error> {
        Err(de::Error::custom("an operator is read as a struct of its own"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Architecture, ArchitectureError, Template};
    use super::*;

    const CONV: &str = "conv = { channels = 4, kernel = 3, padding = \"same\" }";

    fn text(layers: &[&str]) -> String {
        let layers: Vec<String> = layers.iter().map(|layer| format!("{{ {layer} }}")).collect();
        format!("name = \"mine\"\ninput = [8, 8, 4]\nlayers = [{}, {{ dense = {{}} }}]", layers.join(", "))
    }

    fn reads(layers: &[&str]) -> Vec<Inputs<Source>> {
        let architecture = Architecture::from_toml(&text(layers)).unwrap();
        architecture.layers.iter().map(|layer| layer.reads).collect()
    }

    /// What is wrong with layers, which a template reports before there are data.
    fn refuse(layers: &[&str]) -> String {
        let message = Template::from_toml(&text(layers)).unwrap_err().to_string();
        message.strip_prefix("architecture \"mine\", ").unwrap_or(&message).to_owned()
    }

    #[test]
    fn a_layer_reads_the_one_before_it_unless_it_names_another() {
        let one = |layer| Inputs::one(Source::Output(layer));
        assert_eq!(reads(&[CONV, CONV]), [Inputs::one(Source::Image), one(0), one(1)]);
        let branch = [
            &format!("name = \"trunk\", {CONV}"),
            &format!("{CONV}, name = \"long\""),
            &format!("input = \"trunk\", {CONV}"),
            "add = { relu = true }, residual = \"long\"",
        ];
        let sum = Inputs { input: Source::Output(2), residual: Some(Source::Output(1)) };
        assert_eq!(reads(&branch), [Inputs::one(Source::Image), one(0), one(0), sum, one(3)]);
    }

    #[test]
    fn the_image_can_be_read_by_any_layer() {
        let sum = Inputs { input: Source::Output(0), residual: Some(Source::Image) };
        assert_eq!(reads(&[CONV, "add = {}, residual = \"image\""])[1], sum);
    }

    #[test]
    fn what_is_not_connected_is_refused_with_the_index_and_the_kind_of_the_layer() {
        let named = |name: &str| format!("name = \"{name}\", {CONV}");
        let cases: [(&[&str], &str); 12] = [
            (
                &[&named("a"), "add = {}, residual = \"a\""],
                "layer 1 (add): its input and its residual are the same; an add has two different inputs",
            ),
            (
                &[CONV, "input = \"a\", max_pool = {}"],
                "layer 1 (max-pool 2x2): it reads \"a\", but no layer has this name; none has a name yet",
            ),
            (
                &[&named("b"), &named("c"), "add = {}, residual = \"a\""],
                "layer 2 (add): it reads \"a\", but no layer has this name; the names are \"b\", \"c\"",
            ),
            (&[&named("a"), &named("a")], "layer 1 (conv 3x3x4 same): layer 0 already has the name \"a\""),
            (
                &[CONV, "add = {}, residual = \"a\"", &named("a")],
                "layer 1 (add): it reads \"a\", which is layer 2; a layer can only read earlier layers",
            ),
            (
                &[CONV, "name = \"a\", add = {}, residual = \"a\""],
                "layer 1 (add): it reads \"a\", which is layer 1; a layer can only read earlier layers",
            ),
            (
                &[&named("a"), CONV, &format!("input = \"a\", {CONV}")],
                "layer 1 (conv 3x3x4 same): no layer reads its output; give it a name, and a later layer input = \"NAME\" or \
                 residual = \"NAME\"",
            ),
            (
                &["add = {}"],
                "layer 0 (add): it adds an earlier layer to its input, but names none: give it residual = \"NAME\"",
            ),
            (
                &[&named("a"), "max_pool = {}, residual = \"a\""],
                "layer 1 (max-pool 2x2): it has residual = \"a\", and only add has a residual",
            ),
            (
                &[&named("image")],
                "layer 0 (conv 3x3x4 same): a layer cannot have the name \"image\": a name has 1 to 255 bytes and no control \
                 characters, and \"image\" is the image",
            ),
            (
                &[&format!("{CONV}, max_pool = {{}}")],
                "architecture file: TOML parse error at line 3, column 11: \"max_pool\" is one key too many: a layer has one \
                 operator",
            ),
            (
                &["name = \"a\""],
                "architecture file: TOML parse error at line 3, column 11: a layer without an operator, such as conv",
            ),
        ];
        for (layers, expected) in cases {
            assert_eq!(refuse(layers), expected);
        }
    }

    #[test]
    fn an_add_of_two_shapes_is_refused_with_both() {
        let layers = [&format!("name = \"a\", {CONV}"), "max_pool = {}", "add = {}, residual = \"a\""];
        let message = Architecture::from_toml(&text(&layers)).unwrap_err().to_string();
        assert_eq!(
            message,
            "architecture \"mine\", layer 2 (add): its input is 4x4x4 and its residual \"a\" is 8x8x4; they must have the same \
             shape"
        );
    }

    #[test]
    fn a_key_that_is_neither_a_name_nor_an_operator_is_answered_with_those_there_are() {
        let message = refuse(&[&format!("inputs = [\"a\"], {CONV}")]);
        assert!(message.contains("unknown variant `inputs`, expected one of `conv`"), "{message}");
        assert!(message.ends_with("`average_pool`; or one of the names `name`, `input`, `residual`"), "{message}");
    }

    #[test]
    fn layers_are_written_as_they_were_read() {
        let layers = [&format!("name = \"a\", {CONV}"), CONV, &format!("input = \"a\", {CONV}, name = \"c\"")];
        let ends = ["add = {}, residual = \"image\"", "add = { relu = true }, residual = \"c\""];
        let refused = Architecture::from_toml(&text(&layers));
        assert!(matches!(refused, Err(ArchitectureError::Connection { layer: 1, .. })), "{refused:?}");
        let layers = [&layers[..1], &layers[2..], &ends[..]].concat();
        let architecture = Architecture::from_toml(&text(&layers)).unwrap();
        let written = serde_json::to_string(&architecture.nodes()).unwrap();
        let read: Vec<Node> = serde_json::from_str(&written).unwrap();
        assert_eq!(read, architecture.nodes());
        assert_eq!(Architecture::new("mine".to_owned(), architecture.input, &read).unwrap(), architecture);
        let dense = serde_json::to_string(read.last().unwrap()).unwrap();
        assert_eq!(dense, r#"{"dense":{"outputs":10,"relu":false}}"#, "a layer without names is written without them");
    }
}
