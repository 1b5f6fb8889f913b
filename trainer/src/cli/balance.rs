//! `--balance`, and what to do about classes of unequal size.

use trainer::dataset::Dataset;
use trainer::support::printable::in_one_line;
use trainer::support::text::thousands;
use trainer::train::balance::{Balance, Imbalance};

use super::console::{Console, console_line};
use super::output::warn;

/// What is done about classes of unequal size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum BalanceName {
    /// Nothing: each image has the same weight
    None,
    /// In the loss the logit of a class is lower the fewer images the class has
    Logits,
    /// The weight of an image in the loss is higher the fewer images its class has
    Weights,
    /// An epoch has the same number of images of each class
    Sampling,
}

impl From<BalanceName> for Balance {
    fn from(name: BalanceName) -> Self {
        match name {
            BalanceName::None => Self::None,
            BalanceName::Logits => Self::Logits,
            BalanceName::Weights => Self::Weights,
            BalanceName::Sampling => Self::Sampling,
        }
    }
}

/// How classes are balanced.
#[derive(clap::Args)]
pub struct BalanceFlags {
    /// How classes of unequal size are balanced in training: none, logits (adjusted by the logarithm of
    /// the class's share), weights (in the loss) or sampling (the same number of images of each class in an epoch) [recipe tutorial: none]
    #[arg(long, value_enum, value_name = "HOW", hide_possible_values = true)]
    balance: Option<BalanceName>,
}

impl BalanceFlags {
    /// What the command line has in place of `of_recipe`.
    pub fn or(&self, of_recipe: Balance) -> Balance {
        self.balance.map_or(of_recipe, Balance::from)
    }

    /// Prints what is done about classes of unequal size, or what can be done where nothing is, unless the user decided so.
    pub fn print(&self, balance: Balance, dataset: &Dataset, console: &Console) {
        let how = match balance {
            Balance::None => None,
            Balance::Logits => Some("adjusted logits in the loss"),
            Balance::Weights => Some("weights in the loss"),
            Balance::Sampling => Some("as many images of each class in an epoch"),
        };
        if let Some(how) = how {
            console_line!(console, "balance    {how}");
        }
        let labels = dataset.train.labels();
        let imbalance = Imbalance::of(labels, dataset.class_names.len());
        let Some(Imbalance { fewest, most }) = imbalance.filter(|_| balance.is_none() && self.balance.is_none()) else {
            return;
        };
        let class = |(class, images): (usize, usize)| {
            let plural = if images == 1 { "" } else { "s" };
            format!("{} has {} training image{plural}", in_one_line(&dataset.class_names[class]), thousands(images))
        };
        warn(&format!(
            "NOTE: {}, and {}: a class with few images is recognized less often; --balance logits \
             treats all classes as equally frequent (weights and sampling do so in other ways), and --balance none turns off this note",
            class(fewest),
            class(most)
        ));
    }
}
