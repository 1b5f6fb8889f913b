//! Both networks, trained on the images that there are, from floats to infer-core: same answers on every test image.

use std::fs::{self, File};
use std::io::Write;
use std::sync::OnceLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use thimble_tests::garments::Silent;
use thimble_tests::idx_files::{self, NAMES};
use thimble_tests::images;
use thimble_tests::to_the_file::{assert_oracle_equality, model_file};
use trainer::dataset::{Environment, Request, fashion_mnist, garments, idx, load};
use trainer::network::Architecture;
use trainer::network::FloatModel;
use trainer::train::evaluate;
use trainer::train::recipe::Recipe;
use trainer::train::{History, fit};

const SEED: u64 = 48;

struct Trained {
    float: FloatModel,
    file: Vec<u8>,
    history: History,
}

/// Two epochs of Fashion-MNIST, or ten of garments, which are a tenth as many.
fn train(name: &str) -> Trained {
    let dataset = images::dataset();
    let epochs = if dataset.name == fashion_mnist::NAME { 2 } else { 10 };
    let recipe = Recipe { epochs, ..Recipe::built_in("tutorial").unwrap() };
    let float = FloatModel::new(Architecture::built_in(name).unwrap(), SEED).unwrap();
    let history = fit(&float, dataset, &recipe, SEED, None, &mut Silent).unwrap();
    let file = model_file(&float, dataset, SEED);
    Trained { float, file, history }
}

fn mlp() -> &'static Trained {
    static MLP: OnceLock<Trained> = OnceLock::new();
    MLP.get_or_init(|| train("mlp"))
}

fn cnn() -> &'static Trained {
    static CNN: OnceLock<Trained> = OnceLock::new();
    CNN.get_or_init(|| train("cnn"))
}

/// Fashion-MNIST packed in another way than it is published; elsewhere garments, which are known by nothing but their directory.
#[test]
fn files_that_were_packed_again_are_known_by_what_is_in_them() {
    let environment = Environment::from_process();
    let directory = environment.fashion_mnist_in_cache();
    let home = tempfile::tempdir().unwrap();
    let again = home.path().join("again");
    fs::create_dir(&again).unwrap();
    let (files, expected) = match environment.fashion_mnist_dir.or(directory) {
        Some(directory) => {
            let path = |name| [directory.join(format!("{name}.gz")), directory.join(name)];
            let [train, test] = [[NAMES[0], NAMES[1]], [NAMES[2], NAMES[3]]].map(|names| {
                let [images, labels] = names.map(|name| path(name).into_iter().find(|path| path.is_file()).unwrap());
                idx::read(&images, &labels).unwrap()
            });
            ([train, test], fashion_mnist::NAME)
        }
        None => (garments::draw(garments::SEED).into(), "again"),
    };
    let contents = files.iter().flat_map(|images| {
        let shape = images.shape();
        let sides = [images.len(), shape.height, shape.width].map(|side| side as u32);
        let pixels: Vec<u8> = (0..images.len()).flat_map(|index| images.image(index).unwrap().into_owned()).collect();
        let labels: Vec<u8> = images.labels().iter().map(|&label| u8::try_from(label).unwrap()).collect();
        [idx_files::images_of(sides, &pixels), idx_files::labels(&labels)]
    });
    for (name, content) in NAMES.iter().zip(contents) {
        let mut packed = GzEncoder::new(File::create(again.join(format!("{name}.gz"))).unwrap(), Compression::fast());
        packed.write_all(&content).unwrap();
        packed.finish().unwrap();
    }
    let dataset = load(&Request { data_dir: Some(again), ..Request::default() }).unwrap().dataset;
    assert_eq!(dataset.name, expected);
}

#[test]
fn mlp_logits_equal_the_oracles_on_every_test_image() {
    assert_oracle_equality(&mlp().file, &images::dataset().test);
}

#[test]
fn cnn_logits_equal_the_oracles_on_every_test_image() {
    assert_oracle_equality(&cnn().file, &images::dataset().test);
}

#[test]
fn int8_accuracy_stays_within_0_2_points_of_float_and_99_percent_of_answers_agree() {
    let dataset = images::dataset();
    for (name, trained) in [("mlp", mlp()), ("cnn", cnn())] {
        let float = evaluate::float(&trained.float, &dataset.test).unwrap();
        let int8 = evaluate::int8(&trained.file, &dataset.test).unwrap();
        let lost = float.score.accuracy - int8.score.accuracy;
        assert!(lost.abs() <= 0.002 + 1e-12, "{name}: float {}, int8 {}", float.score.accuracy, int8.score.accuracy);
        let agreement = float.agreement(&int8);
        assert!(agreement >= 0.99, "{name}: {agreement}");
        // Far above guessing: a network that has learned nothing would agree with itself too.
        assert!(int8.score.accuracy > 0.8, "{name}: {}", int8.score.accuracy);
        assert_eq!(evaluate::int8_on_one_core(&trained.file, &dataset.test).unwrap().classes, int8.classes);
    }
}

#[test]
fn files_and_arenas_fit_a_microcontroller() {
    assert!(mlp().file.len() < 283_000, "{}", mlp().file.len());
    assert!(cnn().file.len() < 546_000, "{}", cnn().file.len());
    assert!(infer_core::arena_len(&cnn().file) <= 6_400, "{}", infer_core::arena_len(&cnn().file));
}

#[test]
fn the_restored_weights_are_those_of_the_best_epoch() {
    let Trained { float, history, .. } = mlp();
    let best = &history.epochs[history.best_epoch - 1];
    let validation = evaluate::float(float, &images::dataset().validation).unwrap().score;
    assert_eq!(validation, best.validation);
    assert!(history.epochs.iter().all(|epoch| epoch.validation.loss >= best.validation.loss));
}

#[test]
fn the_same_seed_gives_the_same_file_to_the_byte() {
    assert!(train("mlp").file == mlp().file);
}
