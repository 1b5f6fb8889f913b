//! Run directories without a training run: random weights on random images, of any shape and with any names.

use std::fs;
use std::path::Path;

use infer_core::Shape;
use trainer::dataset::{Dataset, Images};
use trainer::image::Preprocessing;
use trainer::network::FloatModel;
use trainer::network::{Architecture, Layer, Node};
use trainer::quantize::{QuantizedModel, calibrate, equalize};
use trainer::report::Findings;
use trainer::run::{ExportMetrics, Int8Metrics, Metrics, PerSplit, RunConfig, RunDirectory};
use trainer::support::rng::{ChaCha8Rng, RngExt, SeedableRng};
use trainer::train::Epoch;
use trainer::train::confidence::Confidence;
use trainer::train::evaluate;
use trainer::train::recipe::Recipe;
use trainer::train::score::Score;

/// What the run is about.
pub struct Run<'r> {
    /// Shape of an image.
    pub input: Shape,
    /// The layers before the last one.
    pub layers: Vec<Node>,
    /// Names of the classes.
    pub class_names: Vec<String>,
    /// Name of the data set.
    pub dataset: &'r str,
    /// How many epochs there are in the history.
    pub epochs: usize,
    /// What weights and images are drawn from.
    pub seed: u64,
}

impl Run<'_> {
    /// The network.
    ///
    /// # Panics
    /// Where the layers do not fit after each other.
    #[must_use]
    pub fn architecture(&self) -> Architecture {
        let last = trainer::network::Dense { outputs: self.class_names.len() as u16, relu: false };
        let layers = [&self.layers[..], &[Node::new(Layer::Dense(last))]].concat();
        Architecture::new("odd".to_owned(), self.input, &layers).unwrap()
    }

    /// Images, each class with a brightness and a stripe of its own.
    #[must_use]
    pub fn images(&self) -> Dataset {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let shape: trainer::dataset::ImageShape = self.input.into();
        let classes = self.class_names.len();
        let mut images = |count: usize| {
            let mut pixels = Vec::with_capacity(count * shape.len());
            for index in 0..count {
                let (class, bright) = (index % classes, random.random_range(120..=255u16));
                for pixel in 0..shape.height * shape.width {
                    let stripe = (pixel / shape.width + pixel % shape.width * class) % (2 + class);
                    for channel in 0..shape.channels {
                        let on = stripe == 0 || (channel + class).is_multiple_of(3);
                        pixels.push(if on { bright as u8 } else { random.random_range(0..40) });
                    }
                }
            }
            Images::new(shape, pixels, (0..count).map(|index| (index % classes) as u16).collect())
        };
        Dataset {
            name: self.dataset.to_owned(),
            class_names: self.class_names.clone(),
            preprocessing: Preprocessing::default(),
            train: images(10 * classes),
            validation: images(4 * classes),
            test: images(8 * classes),
        }
    }

    /// Writes what a fit of this version writes, but for the page.
    ///
    /// # Panics
    /// Where a file cannot be written.
    pub fn write(&self, path: &Path) {
        fs::create_dir_all(path).unwrap();
        let (directory, dataset) = (RunDirectory::open(path), self.images());
        let architecture = self.architecture();
        let model = FloatModel::new(architecture.clone(), self.seed).unwrap();
        equalize(&model, &dataset.train, self.seed).unwrap();
        let calibration = calibrate(&model, &dataset.train, self.seed).unwrap();
        let quantized = QuantizedModel::new(&model, &calibration).unwrap();
        let recipe = Recipe::built_in("tutorial").unwrap();
        let config = RunConfig { calibration, ..RunConfig::new(&architecture, recipe, &dataset, self.seed).unwrap() };
        let file = config.encode(&quantized).unwrap();
        let score = |images: &Images| {
            let (float, int8) = (evaluate::float(&model, images).unwrap(), evaluate::int8(&file, images).unwrap());
            (float.score.over(images.len()), int8.score.over(images.len()), int8.agreement(&float))
        };
        let [train, validation, test] = [&dataset.train, &dataset.validation, &dataset.test].map(score);
        let metrics = Metrics {
            cross_validation: None,
            model: architecture.name.clone(),
            dataset: dataset.name.clone(),
            parameters: architecture.parameters(),
            seed: self.seed,
            images: PerSplit {
                train: dataset.train.len(),
                validation: dataset.validation.len(),
                test: dataset.test.len(),
            },
            epochs_run: self.epochs,
            best_epoch: self.epochs.div_ceil(2),
            stopped_early: false,
            interrupted: false,
            epochs_like_the_best: None,
            seconds_per_epoch: Some(1.5),
            images_per_second: Some(1000.0),
            float: PerSplit { train: train.0, validation: validation.0, test: test.0 },
            int8: Int8Metrics {
                scores: PerSplit { train: train.1, validation: validation.1, test: test.1 },
                agreement_with_float: test.2,
                validation_before_fine_tuning: None,
            },
            confidence: Some(Confidence::settle(&file, &dataset, None, None, None).unwrap().metrics),
            export: ExportMetrics {
                path: directory.model(),
                bytes: file.len(),
                sha256: String::new(),
                flash_bytes: file.len(),
                arena_bytes: infer_core::arena_len(&file) as u32,
                macs: architecture.macs(),
            },
        };
        directory.write_weights(&model).unwrap();
        directory.write_history(&self.history()).unwrap();
        directory.write_config(&config).unwrap();
        fs::write(directory.model(), &file).unwrap();
        directory.write_metrics(&metrics).unwrap();
        Findings::gather(&model, &config, &file, &dataset, None).unwrap().write(&directory).unwrap();
    }

    /// Curves as training has them, a little different for each seed.
    fn history(&self) -> Vec<Epoch> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        (1..=self.epochs)
            .map(|epoch| {
                let loss = 0.2 + random.random_range(0.9..1.1) / epoch as f64;
                let score = |loss: f64| Score { loss, accuracy: 1.0 - loss / 4.0, balanced: None };
                let (train, validation) = (score(loss), score(0.95 * loss + 0.002 * epoch as f64));
                Epoch { epoch, train, validation, seconds: 1.5, images_per_second: Some(1000.0), quantized: false }
            })
            .collect()
    }
}
