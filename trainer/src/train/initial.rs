//! Starting from the weights of another network, layer by layer, and training some layers less than others.

use candle_core::Result;
use serde::{Deserialize, Serialize};

use crate::network::{Architecture, FloatModel};

/// Which layers start from those of another network, and how fast each layer learns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Initial {
    /// Layers that take weights and biases, each with the layer of the other network that it takes them from, by index.
    pub taken: Vec<(usize, usize)>,
    /// Layers that stay as they are, by index.
    pub frozen: Vec<usize>,
    /// What the learning rate of the taken layers is multiplied with.
    pub learning_rate: f64,
}

impl Initial {
    /// The layers of `own` that fit layers of `other`: those of the same name, or without names those of the same index, if their
    /// weights have the same dimensions.
    #[must_use]
    pub fn matching(own: &Architecture, other: &Architecture) -> Vec<(usize, usize)> {
        let mut taken = Vec::new();
        for (index, layer) in own.layers.iter().enumerate() {
            let named = |name: &String| other.layers.iter().position(|other| other.name.as_ref() == Some(name));
            let Some(found) = layer.name.as_ref().map_or(Some(index), named) else { continue };
            let dimensions =
                |weights: Option<crate::network::layers::WeightShape>| weights.map(|shape| shape.dimensions);
            let theirs = other.layers.get(found).and_then(|layer| dimensions(layer.weights()));
            if theirs.is_some() && dimensions(layer.weights()) == theirs {
                taken.push((index, found));
            }
        }
        taken
    }

    /// Gives `model` the weights that it takes from `other`, and the rates at which its layers learn. The taken layers have no batch
    /// normalization.
    ///
    /// # Errors
    /// Those of candle, such as for another network's layers.
    pub fn apply(&self, model: &mut FloatModel, other: &FloatModel) -> Result<()> {
        for &(own, theirs) in &self.taken {
            model.take_layer(own, other, theirs)?;
        }
        let count = model.architecture().layers.len();
        let mut rates = vec![1.0; count];
        self.taken.iter().for_each(|&(own, _)| rates[own.min(count - 1)] = self.learning_rate);
        for &layer in &self.frozen {
            match rates.get_mut(layer) {
                Some(rate) => *rate = 0.0,
                None => candle_core::bail!("there is no layer {layer} to be frozen"),
            }
        }
        model.set_learning_rates(rates);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(layers: &str) -> Architecture {
        Architecture::from_toml(&format!("name = \"mine\"\ninput = [8, 8, 1]\nlayers = [{layers}]")).unwrap()
    }

    const CONV: &str = "{ conv = { channels = 4, kernel = 3, padding = \"same\" } },";

    #[test]
    fn layers_are_matched_by_name_and_without_names_by_place_where_their_weights_have_the_same_dimensions() {
        let other = network(
            &[CONV, CONV, "{ name = \"head\", dense = { outputs = 7 } }, { dense = { outputs = 3 } }"].concat(),
        );
        let same = network(
            &[CONV, CONV, "{ name = \"head\", dense = { outputs = 7 } }, { dense = { outputs = 5 } }"].concat(),
        );
        assert_eq!(Initial::matching(&same, &other), [(0, 0), (1, 1), (2, 2)], "the last layer has other classes");
        let shorter =
            network(&[CONV, "{ name = \"head\", dense = { outputs = 7 } }, { dense = { outputs = 3 } }"].concat());
        assert_eq!(Initial::matching(&shorter, &other), [(0, 0), (1, 2)], "found by its name");
    }

    #[test]
    fn taken_layers_are_copied_and_frozen_ones_stay() {
        let architecture = network(&[CONV, CONV, "{ dense = { outputs = 3 } }"].concat());
        let (mut model, other) =
            (FloatModel::new(architecture.clone(), 1).unwrap(), FloatModel::new(architecture, 2).unwrap());
        let weights = |model: &FloatModel, layer: usize| {
            model.parameters()[layer].as_ref().unwrap().weight.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        let own_last = weights(&model, 2);
        let initial = Initial { taken: vec![(0, 0), (1, 1)], frozen: vec![1], learning_rate: 0.5 };
        initial.apply(&mut model, &other).unwrap();
        assert_eq!(weights(&model, 0), weights(&other, 0));
        assert_eq!(weights(&model, 1), weights(&other, 1));
        assert_eq!(weights(&model, 2), own_last);
        // Weight and bias of each layer.
        assert_eq!(model.learning_rates(), [0.5, 0.5, 0.0, 0.0, 1.0, 1.0]);
        let beyond = Initial { frozen: vec![3], ..initial };
        let error = beyond.apply(&mut model, &other).unwrap_err().to_string();
        assert!(error.starts_with("there is no layer 3 to be frozen"), "{error}");
    }
}
