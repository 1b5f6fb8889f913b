//! The space of a search, read from TOML: which networks and recipes there are.

use std::collections::BTreeMap;

use infer_core::Shape;
use serde::de::Error;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::entry::{Entry, Kind};
use super::error::{CandidateError, SpaceError};
use super::parameter::{Condition, Domain, Parameter, Value, Values};
use crate::image::{Conversion, PreprocessError, Resize};
use crate::support::limits::LONGEST_NAME;
use crate::support::printable::is_control;
use crate::support::text::hexadecimal;
use crate::train::recipe::{Recipe, RecipeError};

/// Stages of a network at most.
const MOST_STAGES: usize = 12;

/// What a space may decide of a stage: keys, what they must be, and what they are where the file leaves them out.
const STAGE: [(&str, Kind, Option<Default>); 6] = [
    ("block", Kind::Words(&["convolution", "separable", "residual"]), Some(Default::Word("convolution"))),
    ("blocks", Kind::Whole { least: 1, most: 16 }, Some(Default::Whole(1))),
    ("channels", Kind::Whole { least: 1, most: 4096 }, None),
    ("kernel", Kind::Whole { least: 1, most: 15 }, Some(Default::Whole(3))),
    ("downsample", Kind::Words(&["none", "stride", "pool"]), Some(Default::Word("none"))),
    ("padding", Kind::Words(&["same", "valid"]), Some(Default::Word("same"))),
];

/// The same of the whole network.
const NETWORK: [(&str, Kind, Option<Default>); 5] = [
    // How many stages there are: the most is how many the file has.
    ("stages", Kind::Whole { least: 1, most: MOST_STAGES as i64 }, None),
    ("batch_norm", Kind::Flags, Some(Default::Flag(false))),
    // Of the depthwise convolution of a separable block; the 1x1 convolution after it has one.
    ("depthwise_relu", Kind::Flags, Some(Default::Flag(true))),
    ("head", Kind::Words(&["flatten", "mean"]), Some(Default::Word("flatten"))),
    // Outputs of a hidden dense layer; 0: there is none.
    ("dense", Kind::Whole { least: 0, most: 4096 }, Some(Default::Whole(0))),
];

/// The same of the input; what the file leaves out is as the images or the command line have it.
const INPUT: [(&str, Kind, Option<Default>); 3] = [
    ("side", Kind::Whole { least: 1, most: 1024 }, None),
    ("color", Kind::Words(&["gray", "rgb"]), None),
    ("resize", Kind::Words(&["stretch", "fit", "crop"]), None),
];

/// The same of the step from float weights to the model file; what the file leaves out is as `fit` does it.
const QUANTIZATION: [(&str, Kind, Option<Default>); 2] = [
    ("calibration", Kind::Words(&["auto", "range", "percentile", "error"]), None),
    ("layout", Kind::Words(&["compact", "fast", "vector", "auto"]), None),
];

/// Keys of a recipe that no space decides: the command line has the epochs, a candidate one set of numbers.
const NOT_SEARCHED: [&str; 6] = ["name", "description", "epochs", "least_steps", "size", "override"];

/// Parameters that change something only with a teacher.
const OF_TEACHERS: &str = "recipe.distillation.";

/// What a key is where the file leaves it out.
#[derive(Clone, Copy, Debug)]
enum Default {
    Word(&'static str),
    Whole(i64),
    Flag(bool),
}

/// The ready files, by name.
const READY: [(&str, &str); 3] = [
    ("conv", include_str!("spaces/conv.toml")),
    ("separable", include_str!("spaces/separable.toml")),
    ("residual", include_str!("spaces/residual.toml")),
];

/// The networks and recipes that a search chooses from.
#[derive(Clone, Debug, PartialEq)]
pub struct Space {
    /// What it is called, and with it every network.
    pub name: String,
    /// One line about it.
    pub description: String,
    /// The recipe whose numbers hold where the space has no others.
    pub base: Recipe,
    /// What is chosen.
    parameters: Vec<Parameter>,
    /// What is the same for all candidates.
    fixed: Values,
}

/// The file. Its values are read one by one, so that a message names the key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    input: toml::Table,
    #[serde(default)]
    network: toml::Table,
    #[serde(rename = "stage")]
    stages: Vec<toml::Table>,
    #[serde(default)]
    recipe: toml::Table,
    #[serde(default)]
    quantization: toml::Table,
}

impl Space {
    /// The ready space of that name.
    ///
    /// # Errors
    /// [`SpaceError::Unknown`].
    pub fn ready(name: &str) -> Result<Self, SpaceError> {
        let found = READY.iter().find(|(ready, _)| *ready == name);
        found.map_or_else(|| Err(SpaceError::Unknown { name: name.to_owned() }), |(_, text)| Self::from_toml(text))
    }

    /// Whether its candidates, or some of them, are trained on mirrored images.
    #[must_use]
    pub fn mirrors(&self) -> bool {
        const FLIP: &str = "recipe.augment.flip";
        match self.fixed.get(FLIP) {
            Some(flip) => *flip != Value::Number(0.0) && *flip != Value::Whole(0),
            None => self.base.augment.flip > 0.0 || self.parameters.iter().any(|parameter| parameter.name == FLIP),
        }
    }

    /// The TOML files of the ready spaces, by name.
    #[must_use]
    pub fn ready_files() -> &'static [(&'static str, &'static str)] {
        &READY
    }

    /// Reads a file and checks every value in it.
    ///
    /// # Errors
    /// [`SpaceError`].
    pub fn from_toml(text: &str) -> Result<Self, SpaceError> {
        let File { name, description, input, network, stages, recipe, quantization } = toml::from_str(text)?;
        let is_unusable = name.contains(['/', '\\']) || name.contains(is_control) || name.len() > LONGEST_NAME;
        if name.is_empty() || name.starts_with('.') || is_unusable {
            return Err(SpaceError::Name { name });
        }
        if !(1..=MOST_STAGES).contains(&stages.len()) {
            let reason = format!("a space has 1 to {MOST_STAGES} of them, and here are {}", stages.len());
            return Err(SpaceError::Key { key: "[[stage]]".to_owned(), reason });
        }
        let mut reader = Reader::default();
        reader.table("[input]", "input.", &input, &INPUT)?;
        for (given, missing) in [("side", "color"), ("color", "side"), ("resize", "side")] {
            if input.contains_key(given) && !input.contains_key(missing) {
                let reason =
                    format!("it is missing; with {given} a space decides the whole input, its side and its color");
                return Err(SpaceError::Key { key: format!("[input], {missing}"), reason });
            }
        }
        reader.table("[network]", "", &network, &NETWORK)?;
        for (index, stage) in stages.iter().enumerate() {
            let number = index + 1;
            reader.table(&format!("[[stage]] {number}"), &format!("stage{number}."), stage, &STAGE)?;
        }
        let base = reader.recipe(recipe)?;
        reader.table("[quantization]", "quantization.", &quantization, &QUANTIZATION)?;
        let space = Self { name, description, base, parameters: reader.parameters, fixed: reader.fixed };
        let space = space.with_stages(stages.len())?.with_conditions();
        space.check_recipes()?;
        if space.parameters.is_empty() { Err(SpaceError::NothingToChoose) } else { Ok(space) }
    }

    /// What is chosen, in the order of the file.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The same space without what only a teacher gives a meaning.
    #[must_use]
    pub fn without_teacher(mut self) -> Self {
        self.parameters.retain(|parameter| !parameter.name.starts_with(OF_TEACHERS));
        self
    }

    /// The smallest input of a candidate and how images become it, where the space decides that.
    ///
    /// # Errors
    /// Those of [`Conversion::new`].
    pub fn least_conversion(&self) -> Result<Option<Conversion>, PreprocessError> {
        self.least_input().map(|input| Conversion::new(input, Resize::Stretch)).transpose()
    }

    /// The smallest input of a candidate, where the space decides it, and not the images or the command line.
    #[must_use]
    pub fn least_input(&self) -> Option<Shape> {
        let side = self.values_of("input.side").iter().filter_map(Value::whole).min()?;
        let side = u16::try_from(side).ok()?;
        let is_gray = self.values_of("input.color").contains(&Value::Word("gray".to_owned()));
        Some(Shape { height: side, width: side, channels: if is_gray { 1 } else { 3 } })
    }

    /// How many ways there are in which an image becomes an input; 0: the space does not decide that.
    #[must_use]
    pub fn inputs(&self) -> usize {
        let values = |key| self.values_of(key).len();
        values("input.side") * values("input.color") * values("input.resize").max(1)
    }

    /// The value of a key that is fixed, or those at the ends of its domain; none of a key that the file leaves out.
    fn values_of(&self, name: &str) -> Vec<Value> {
        let open = self.parameters.iter().find(|parameter| parameter.name == name);
        open.map_or_else(|| self.fixed.get(name).cloned().into_iter().collect(), |parameter| parameter.domain.ends())
    }

    /// A hash of everything that the file decides, without names, comments and order of keys: workers of one search have the same.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        #[derive(Serialize)]
        struct Content<'a> {
            parameters: &'a [Parameter],
            fixed: &'a Values,
            base: &'a Recipe,
        }
        let content = Content { parameters: &self.parameters, fixed: &self.fixed, base: &self.base };
        // Nothing in it can fail to be written.
        let json = serde_json::to_vec(&content).unwrap_or_default();
        hexadecimal(Sha256::new_with_prefix(json))
    }

    /// The values of a candidate, checked, with those that are the same for all; values that it does not use are left out.
    ///
    /// # Errors
    /// [`CandidateError::Missing`], [`CandidateError::Outside`], [`CandidateError::Unknown`].
    pub fn complete(&self, values: &Values) -> Result<Values, CandidateError> {
        // What only a teacher gives a meaning may be there without one.
        let known = |name: &&String| self.parameters.iter().any(|parameter| &parameter.name == *name);
        if let Some(name) = values.keys().find(|name| !known(name) && !name.starts_with(OF_TEACHERS)) {
            return Err(CandidateError::Unknown { name: name.clone(), space: self.name.clone() });
        }
        let mut complete = self.fixed.clone();
        for parameter in &self.parameters {
            let Parameter { name, domain, .. } = parameter;
            // What others depend on comes before them.
            if !parameter.is_used(&complete) {
                continue;
            }
            let Some(value) = values.get(name) else {
                return Err(CandidateError::Missing { name: name.clone(), domain: domain.clone() });
            };
            let Some(own) = domain.own(value) else {
                let (name, domain, value) = (name.clone(), domain.clone(), value.clone());
                return Err(CandidateError::Outside { name, value, domain });
            };
            complete.insert(name.clone(), own);
        }
        Ok(complete)
    }

    /// How many stages there are, where the file does not say: all of those in it. No more can be wanted.
    fn with_stages(mut self, stages: usize) -> Result<Self, SpaceError> {
        match self.values_of("stages").iter().filter_map(Value::whole).max() {
            Some(wanted) if wanted > stages as i64 => Err(SpaceError::Key {
                key: "[network], stages".to_owned(),
                reason: format!("stages = {wanted}, but the file has {stages}; add a [[stage]], or use fewer"),
            }),
            Some(_) => Ok(self),
            None => {
                self.fixed.insert("stages".to_owned(), Value::Whole(stages as i64));
                Ok(self)
            }
        }
    }

    /// Marks what a candidate uses only sometimes: a stage that not all have, the learning rate of fine-tuning where there may be none.
    fn with_conditions(mut self) -> Self {
        let least = |name: &str| self.values_of(name).iter().filter_map(Value::whole).min();
        let (stages, tuning) = ("stages", "recipe.quantization_aware.epochs");
        let (least_stages, least_tuning) = (least(stages), least(tuning));
        for parameter in &mut self.parameters {
            let stage =
                parameter.name.strip_prefix("stage").and_then(|rest| rest.split_once('.')?.0.parse::<i64>().ok());
            parameter.only_if = match (stage, least_stages, least_tuning) {
                (Some(stage), Some(least), _) if stage > least => {
                    Some(Condition { name: stages.to_owned(), at_least: stage })
                }
                (None, _, Some(0)) if parameter.name == "recipe.quantization_aware.learning_rate" => {
                    Some(Condition { name: tuning.to_owned(), at_least: 1 })
                }
                _ => None,
            };
        }
        // What others depend on is chosen first.
        self.parameters.sort_by_key(|parameter| ![stages, tuning].contains(&&*parameter.name));
        self
    }

    /// Refuses numbers that no training can run with: each end of each range, with all others as in the base.
    fn check_recipes(&self) -> Result<(), SpaceError> {
        let names = self.fixed.keys().chain(self.parameters.iter().map(|parameter| &parameter.name));
        for name in names {
            let Some(key) = name.strip_prefix("recipe.") else { continue };
            for end in self.values_of(name) {
                let values = Values::from([(name.clone(), end)]);
                let checked = with_values(&self.base, &values).and_then(|recipe| recipe.check());
                checked.map_err(|source| SpaceError::Recipe { key: key.to_owned(), source })?;
            }
        }
        Ok(())
    }
}

/// A recipe with the numbers that these values have.
pub(super) fn with_values(base: &Recipe, values: &Values) -> Result<Recipe, RecipeError> {
    // A recipe is written as it is read, so what fails is a number that these values have.
    let mut table = toml::Table::try_from(base).map_err(|error| toml::de::Error::custom(error.to_string()))?;
    for (name, value) in values {
        let Some(key) = name.strip_prefix("recipe.") else { continue };
        insert(&mut table, key, value);
    }
    Ok(table.try_into()?)
}

/// A range from one whole number to another as one of any number, where the recipe takes fractions there: `{ from = 0, to = 1 }`.
fn with_fractions(entry: Entry, name: &str, base: &Recipe) -> Entry {
    match entry {
        Entry::Open(Domain::Integer { low, high, .. })
            if with_values(base, &Values::from([(name.to_owned(), Value::Number(0.5))])).is_ok() =>
        {
            Entry::Open(Domain::Float { low: low as f64, high: high as f64, log: false })
        }
        entry => entry,
    }
}

/// Sets what a dotted key names.
fn insert(table: &mut toml::Table, key: &str, value: &Value) {
    match key.split_once('.') {
        Some((first, rest)) => {
            let inner = table.entry(first).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            if let Some(inner) = inner.as_table_mut() {
                insert(inner, rest, value);
            }
        }
        None => {
            let value = match value {
                Value::Flag(flag) => toml::Value::Boolean(*flag),
                Value::Whole(whole) => toml::Value::Integer(*whole),
                Value::Number(number) => toml::Value::Float(*number),
                Value::Word(word) => toml::Value::String(word.clone()),
            };
            table.insert(key.to_owned(), value);
        }
    }
}

/// Collects what a file decides and what it leaves open.
#[derive(Default)]
struct Reader {
    parameters: Vec<Parameter>,
    fixed: BTreeMap<String, Value>,
}

impl Reader {
    fn add(&mut self, name: String, entry: Entry) {
        match entry {
            Entry::Fixed(value) => _ = self.fixed.insert(name, value),
            Entry::Open(domain) => self.parameters.push(Parameter { name, domain, only_if: None }),
        }
    }

    /// Reads a table whose keys are known. `place` is what messages call it.
    fn table(
        &mut self,
        place: &str,
        prefix: &str,
        table: &toml::Table,
        known: &[(&str, Kind, Option<Default>)],
    ) -> Result<(), SpaceError> {
        let names = || known.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", ");
        if let Some(key) = table.keys().find(|key| !known.iter().any(|(name, ..)| name == *key)) {
            let reason = format!("there is no such key; there are {}", names());
            return Err(SpaceError::Key { key: format!("{place}, {key}"), reason });
        }
        for (key, kind, default) in known {
            let name = format!("{prefix}{key}");
            match (table.get(*key), default) {
                (Some(value), _) => self.add(name, Entry::read(&format!("{place}, {key}"), value, *kind)?),
                (None, Some(default)) => {
                    let value = match *default {
                        Default::Word(word) => Value::Word(word.to_owned()),
                        Default::Whole(whole) => Value::Whole(whole),
                        Default::Flag(flag) => Value::Flag(flag),
                    };
                    self.fixed.insert(name, value);
                }
                // Channels have no usual number.
                (None, None) if *key == "channels" => {
                    let reason = "it is missing; every stage has a number of channels".to_owned();
                    return Err(SpaceError::Key { key: format!("{place}, {key}"), reason });
                }
                (None, None) => {}
            }
        }
        Ok(())
    }

    /// Reads the numbers of the recipe, and the recipe that they are based on.
    fn recipe(&mut self, mut table: toml::Table) -> Result<Recipe, SpaceError> {
        let key = |key: &str| format!("[recipe], {key}");
        let base = match table.remove("base") {
            None => "strong".to_owned(),
            Some(toml::Value::String(name)) => name,
            Some(_) => {
                let reason = "it must be the name of a recipe: \"strong\", \"tutorial\" or \"folders\"".to_owned();
                return Err(SpaceError::Key { key: key("base"), reason });
            }
        };
        let base = Recipe::built_in(&base).map_err(|source| SpaceError::Recipe { key: "base".to_owned(), source })?;
        if let Some(name) = table.keys().find(|name| NOT_SEARCHED.contains(&name.as_str())) {
            let reason = "a space does not decide this; --epochs gives the epochs of a trial".to_owned();
            return Err(SpaceError::Key { key: key(name), reason });
        }
        self.numbers("recipe.", &table, &base)?;
        // Numbers for networks of other names are not for these.
        Ok(Recipe { overrides: BTreeMap::new(), ..base })
    }

    fn numbers(&mut self, prefix: &str, table: &toml::Table, base: &Recipe) -> Result<(), SpaceError> {
        for (key, value) in table {
            let name = format!("{prefix}{key}");
            match value.as_table().filter(|_| !Entry::is_range(value)) {
                Some(inner) => self.numbers(&format!("{name}."), inner, base)?,
                None => {
                    let place = format!("[recipe], {}", name.trim_start_matches("recipe."));
                    let entry = Entry::read(&place, value, Kind::Recipe)?;
                    let has_step = value.as_table().is_some_and(|range| range.contains_key("step"));
                    self.add(name.clone(), if has_step { entry } else { with_fractions(entry, &name, base) });
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::candidate::Candidate;
    use super::super::ranking::{Goals, Objective};
    use super::super::sampler::{Sampler, SamplerKind};
    use super::super::state::State;
    use super::*;

    const SMALL: &str = "name = \"small\"
        [network]
        stages = [1, 2]
        [[stage]]
        channels = [4, 8]
        [[stage]]
        channels = { from = 4, to = 8 }
        [recipe]
        learning_rate = { from = 1e-3, to = 1e-2, scale = \"log\" }
        schedule.decay = \"cosine\"
        augment = { flip = 0.5, shift = [0, 2] }
        quantization_aware = { epochs = [0, 2], learning_rate = [1e-4, 1e-3] }
        distillation.temperature = [1.0, 2.0]";

    fn values(json: &str) -> Values {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn ready_spaces_mirror_images_until_their_file_says_otherwise() {
        for (name, text) in READY {
            assert!(Space::ready(name).unwrap().mirrors(), "{name}");
            let without = text.replace("flip = 0.5", "flip = 0.0");
            assert!(!Space::from_toml(&without).unwrap().mirrors(), "{name}");
            let either = text.replace("flip = 0.5", "flip = [0.0, 0.5]");
            assert!(Space::from_toml(&either).unwrap().mirrors(), "{name}");
        }
    }

    #[test]
    fn the_ready_spaces_hold_networks_and_recipes_that_can_be_trained() {
        let goals = Goals { objectives: vec![Objective::Accuracy], limits: super::super::Limits::default() };
        for (name, _) in Space::ready_files() {
            let space = Space::ready(name).unwrap();
            assert_eq!(&space.name, name);
            for (side, channels) in [(8, 1), (28, 1), (32, 3), (96, 3)] {
                let input = Shape { height: side, width: side, channels };
                for seed in 0..40 {
                    let sampler =
                        Sampler { kind: SamplerKind::Random, parameters: space.parameters(), goals: &goals, seed };
                    let values = sampler.next(&State::default()).unwrap();
                    let candidate = Candidate::new(&space, &values).unwrap();
                    let architecture = candidate.architecture(input, 10).unwrap();
                    assert_eq!(architecture.name, *name);
                    assert_eq!(candidate.recipe(7, 1000).unwrap().epochs, 7);
                }
            }
        }
    }

    #[test]
    fn values_become_numbers_of_the_recipe_and_the_others_are_those_of_its_base() {
        let space = Space::from_toml(SMALL).unwrap();
        let json = r#"{"stages":1,"stage1.channels":8,"recipe.learning_rate":0.005,"recipe.augment.shift":2,
            "recipe.quantization_aware.epochs":2,"recipe.quantization_aware.learning_rate":0.001,"recipe.distillation.temperature":1.0}"#;
        let recipe = Candidate::new(&space, &values(json)).unwrap().recipe(9, 1000).unwrap();
        let strong = Recipe::built_in("strong").unwrap();
        assert_eq!((recipe.epochs, recipe.learning_rate), (9, 0.005));
        assert_eq!((recipe.augment.flip, recipe.augment.shift), (0.5, 2));
        assert_eq!((recipe.quantization_aware.epochs, recipe.quantization_aware.learning_rate), (2, 0.001));
        assert_eq!((recipe.distillation.temperature, recipe.distillation.weight), (1.0, 0.9));
        assert_eq!(
            (recipe.dropout, recipe.schedule, recipe.average),
            (strong.dropout, strong.schedule, strong.average)
        );
        assert!(recipe.overrides.is_empty(), "numbers for tiny are not for a space of that name");
    }

    #[test]
    fn what_a_candidate_does_not_use_may_be_missing_or_there() {
        let space = Space::from_toml(SMALL).unwrap().without_teacher();
        let names: Vec<&str> = space.parameters().iter().map(|parameter| parameter.name.as_str()).collect();
        assert_eq!(&names[..2], ["stages", "recipe.quantization_aware.epochs"], "what others depend on comes first");
        assert!(!names.contains(&"recipe.distillation.temperature"));
        let used = r#"{"stages":1,"stage1.channels":8,"recipe.learning_rate":0.005,"recipe.augment.shift":2,
            "recipe.quantization_aware.epochs":0"#;
        let complete = |more: &str| space.complete(&values(&format!("{used}{more}}}")));
        let expected = complete("").unwrap();
        // Engines that know of no conditions give all values, and those of a teacher too.
        let all = r#","stage2.channels":5,"recipe.quantization_aware.learning_rate":0.001,"recipe.distillation.temperature":2.0"#;
        assert_eq!(complete(all).unwrap(), expected);
        assert!(!expected.contains_key("stage2.channels") && expected["stage2.kernel"] == Value::Whole(3));
        let deep = values(&format!("{used}}}").replace("\"stages\":1", "\"stages\":2"));
        let message = space.complete(&deep).unwrap_err().to_string();
        assert_eq!(message, "parameter stage2.channels is missing; it is a whole number from 4 to 8");
    }

    #[test]
    fn the_fingerprint_is_of_what_is_decided_and_of_nothing_else() {
        let fingerprint = |text: &str| Space::from_toml(text).unwrap().fingerprint();
        let renamed = SMALL.replace("\"small\"", "\"other\"\ndescription = \"another\" # not the same");
        assert_eq!(fingerprint(&renamed), fingerprint(SMALL));
        for (from, to) in [
            ("[4, 8]", "[4, 6]"),
            ("flip = 0.5", "flip = 0.25"),
            ("stages = [1, 2]", "stages = 2"),
            ("[recipe]", "[recipe]\nbase = \"tutorial\""),
        ] {
            assert_ne!(fingerprint(&SMALL.replace(from, to)), fingerprint(SMALL), "{to}");
        }
    }

    #[test]
    fn a_space_without_a_choice_is_refused() {
        let message = Space::from_toml("name = \"one\"\n[[stage]]\nchannels = 4").unwrap_err().to_string();
        assert!(message.contains("every value is fixed"), "{message}");
        let choice = Domain::Categorical { choices: [4, 8].map(Value::Whole).to_vec() };
        let space = Space::from_toml("name = \"two\"\n[[stage]]\nchannels = [4, 8]").unwrap();
        assert_eq!(space.parameters()[0].domain, choice);
    }

    #[test]
    fn a_range_of_whole_numbers_has_fractions_where_the_recipe_takes_them() {
        let ranges = "weight_decay = { from = 0, to = 1 }\nmixup = { from = 0, to = 1, step = 1 }\nbatch_size = { from = 16, to = 64 }";
        let space = Space::from_toml(&format!("name = \"a\"\n[[stage]]\nchannels = 4\n[recipe]\n{ranges}")).unwrap();
        let domain = |name: &str| {
            let found = space.parameters().iter().find(|parameter| parameter.name == format!("recipe.{name}"));
            found.map(|parameter| parameter.domain.clone())
        };
        assert_eq!(domain("weight_decay"), Some(Domain::Float { low: 0.0, high: 1.0, log: false }));
        assert_eq!(domain("mixup"), Some(Domain::Integer { low: 0, high: 1, step: 1 }));
        assert_eq!(domain("batch_size"), Some(Domain::Integer { low: 16, high: 64, step: 1 }));
    }

    #[test]
    fn an_input_that_a_space_decides_is_as_it_says() {
        let text = format!(
            "[input]\nside = [16, 24]\ncolor = [\"gray\", \"rgb\"]\nresize = \"crop\"\n{}",
            SMALL.replace("name = \"small\"", "")
        );
        let space = Space::from_toml(&format!("name = \"small\"\n{text}")).unwrap();
        assert_eq!(space.least_input(), Some(Shape { height: 16, width: 16, channels: 1 }));
        assert_eq!(space.inputs(), 4);
        let json = r#"{"input.side":24,"input.color":"rgb","stages":1,"stage1.channels":8,"recipe.learning_rate":0.005,
            "recipe.augment.shift":2,"recipe.quantization_aware.epochs":0,"recipe.distillation.temperature":1.0}"#;
        let conversion = Candidate::new(&space, &values(json)).unwrap().conversion().unwrap().unwrap();
        assert_eq!(conversion.to_string(), "24x24x3 rgb, resize crop");
        assert_eq!(Space::from_toml(SMALL).unwrap().least_conversion().unwrap(), None);
    }
}
