//! Calibration methods, the choice among them, and the report that locates what quantization costs.

use std::sync::OnceLock;

use candle_core::{Device, Tensor};
use infer_core::Shape;
use thimble_tests::garments::{self, Silent};
use thimble_tests::random_model::metadata;
use trainer::dataset::batch;
use trainer::dataset::{self, Dataset, Images};
use trainer::network::model::{FloatModel, Parameters};
use trainer::network::{Architecture, Conv, Dense, Layer, MaxPool, Padding};
use trainer::quantize::choose::Chosen;
use trainer::quantize::fake::{fake_activations, fake_weights};
use trainer::quantize::scales::layer_scales;
use trainer::quantize::{Calibration, Method, QuantizeError, QuantizedModel, Range, Report, calibrate, choose};
use trainer::train::evaluate;
use trainer::train::fit;
use trainer::train::recipe::Recipe;

const SEED: u64 = 48;

fn garments() -> &'static Dataset {
    static GARMENTS: OnceLock<Dataset> = OnceLock::new();
    GARMENTS.get_or_init(garments::garments)
}

fn file(model: &FloatModel, calibration: &[Calibration]) -> Vec<u8> {
    let quantized = QuantizedModel::new(model, calibration).unwrap();
    let classes: Vec<String> = (0..model.architecture().classes()).map(|class| class.to_string()).collect();
    quantized.encode(&metadata(&classes.join("\n"))).unwrap()
}

/// Two convolutions before pools, the second without ReLU; a dense layer; the logits. A few epochs old.
fn trained() -> &'static FloatModel {
    static TRAINED: OnceLock<FloatModel> = OnceLock::new();
    TRAINED.get_or_init(train)
}

fn train() -> FloatModel {
    let conv = |channels, padding, relu| Layer::Conv(Conv::square(channels, 3, padding, relu));
    let layers = [
        conv(8, Padding::Valid, true),
        Layer::MaxPool(MaxPool::default()),
        conv(8, Padding::Same, false),
        Layer::MaxPool(MaxPool::default()),
        Layer::Dense(Dense { outputs: 24, relu: true }),
        Layer::Dense(Dense { outputs: 10, relu: false }),
    ];
    let input = Shape { height: 28, width: 28, channels: 1 };
    let model = FloatModel::new(Architecture::new("stack".to_owned(), input, &layers).unwrap(), SEED).unwrap();
    let recipe = Recipe { epochs: 3, ..Recipe::built_in("tutorial").unwrap() };
    fit(&model, garments(), &recipe, SEED, None, &mut Silent).unwrap();
    model
}

/// A network on three pixels that finds by the first two which class an image is of: the darker one. Where the third
/// pixel is not black, a hidden value gets a hundred times as large as all others, and means class 0.
fn outlier_network() -> FloatModel {
    let layers = [Layer::Dense(Dense { outputs: 4, relu: true }), Layer::Dense(Dense { outputs: 2, relu: false })];
    let input = Shape { height: 1, width: 1, channels: 3 };
    let model = FloatModel::new(Architecture::new("outlier".to_owned(), input, &layers).unwrap(), SEED).unwrap();
    let set = |variable: usize, values: &[f32], dimensions: (usize, usize)| {
        model.variables()[variable].set(&Tensor::from_slice(values, dimensions, &Device::Cpu).unwrap()).unwrap();
    };
    set(0, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 100.0, 0.0, 0.0, 0.0], (4, 3));
    set(2, &[-10.0, 10.0, 0.1, 0.0, 10.0, -10.0, 0.0, 0.0], (2, 4));
    model
}

/// Images with a third pixel that is black, and images with nothing but a third pixel.
fn three_pixels(plain: usize, outliers: usize) -> Images {
    let plain = (0..plain).map(|n| if n % 2 == 0 { ([20, 40, 0], 0) } else { ([40, 20, 0], 1) });
    let images = plain.chain((0..outliers).map(|_| ([0, 0, 255], 0)));
    let (pixels, labels): (Vec<[u8; 3]>, Vec<u16>) = images.unzip();
    Images::new(dataset::ImageShape { height: 1, width: 1, channels: 3 }, pixels.concat(), labels)
}

#[test]
fn the_validation_images_choose_the_method() {
    let model = outlier_network();
    // Of 12,000 hidden values one is the outlier, few enough to be clipped: by percentile only, since its square outweighs
    // what all others lose when it is kept.
    let train = three_pixels(2_999, 1);
    let choose_by = |validation: &Images| choose(&model, &train, validation, SEED, &Method::ALL).unwrap().choice;
    let without_outliers = choose_by(&three_pixels(200, 0));
    assert_eq!(without_outliers.method, Method::Percentile, "{without_outliers:?}");
    let accuracies = without_outliers.candidates.iter().map(|candidate| candidate.validation.accuracy);
    assert_eq!(accuracies.collect::<Vec<_>>(), [0.5, 1.0, 0.5], "all else is zero beside an outlier");
    let outliers_alone = choose_by(&three_pixels(0, 200));
    assert_eq!(outliers_alone.method, Method::Range, "{outliers_alone:?}");
}

#[test]
fn the_chosen_calibration_is_the_one_of_the_lowest_validation_loss() {
    let (dataset, model) = (garments(), trained());
    let Chosen { calibration, quantized, choice, .. } =
        choose(model, &dataset.train, &dataset.validation, SEED, &Method::ALL).unwrap();
    assert_eq!(choice.candidates.iter().map(|candidate| candidate.method).collect::<Vec<_>>(), Method::ALL);
    let lowest = choice.candidates.iter().map(|candidate| candidate.validation.loss).fold(f64::INFINITY, f64::min);
    let files = Method::ALL.map(|method| {
        let forced = choose(model, &dataset.train, &dataset.validation, SEED, &[method]).unwrap();
        assert_eq!(forced.choice.method, method);
        let file = file(model, &forced.calibration);
        let score = evaluate::int8(&file, &dataset.validation).unwrap().score;
        let candidate = choice.candidates.iter().find(|candidate| candidate.method == method).unwrap();
        assert_eq!(
            [&candidate.validation, &forced.choice.candidates[0].validation],
            [&score.over(dataset.validation.len()); 2]
        );
        assert_eq!(score.loss == lowest, method == choice.method, "{choice:?}");
        file
    });
    assert!(files[0] != files[1] && files[1] != files[2] && files[0] != files[2], "the methods differ");
    assert_eq!(quantized, QuantizedModel::new(model, &calibration).unwrap());
    assert_eq!(calibrate(model, &dataset.train, SEED).unwrap(), {
        choose(model, &dataset.train, &dataset.validation, SEED, &[Method::Range]).unwrap().calibration
    });
    let none = choose(model, &dataset.train, &dataset.validation, SEED, &[]);
    assert!(matches!(none, Err(QuantizeError::NoMethod)));
}

#[test]
fn calibration_is_the_same_on_any_number_of_cores() {
    let (dataset, model) = (garments(), trained());
    let chosen = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| choose(model, &dataset.train, &dataset.validation, SEED, &Method::ALL).unwrap())
    };
    let (one, three) = (chosen(1), chosen(3));
    assert_eq!(one.calibration, three.calibration);
    assert_eq!(one.choice, three.choice);
}

#[test]
fn the_report_locates_the_layer_whose_codes_were_destroyed() {
    let (dataset, model) = (garments(), trained());
    let sound = calibrate(model, &dataset.train, SEED).unwrap();
    let report = |calibration: &[Calibration]| {
        Report::new(model, calibration, &file(model, calibration), &dataset.validation).unwrap()
    };
    let whole = report(&sound);
    assert_eq!(whole.layers.iter().map(|layer| layer.layer).collect::<Vec<_>>(), [0, 2, 4, 5]);
    for layer in &whole.layers {
        assert!(layer.alone.agreement_with_float > 0.98, "{layer:?}");
        assert!(layer.weights.unwrap().sqnr_db.unwrap() > 35.0, "{layer:?}");
    }
    for destroyed in [0, 2, 4] {
        let mut calibration = sound.clone();
        let Range { low, high } = calibration[destroyed].range;
        calibration[destroyed].range = Range { low: low / 300.0, high: high / 300.0 };
        let report = report(&calibration);
        let costliest = report.costliest().unwrap();
        assert_eq!(costliest.layer, destroyed);
        assert!(costliest.alone.score.accuracy < report.float.score.accuracy - 0.05, "{costliest:?}");
        let codes = costliest.activation.codes.unwrap();
        assert!(codes.saturation > 0.2 && codes.sqnr_db.unwrap() < 3.0, "{codes:?}");
        assert!(report.int8.score.accuracy < whole.int8.score.accuracy - 0.05, "{:?}", report.int8);
        for (layer, before) in report.layers.iter().zip(&whole.layers) {
            let same = layer.alone == before.alone;
            assert_eq!(same, layer.layer != costliest.layer, "only the layer itself is blamed: {layer:?}");
        }
    }
}

#[test]
fn a_network_that_fakes_its_codes_fakes_those_of_infer_core() {
    let (dataset, model) = (garments(), trained());
    // Channels stay in the float model's order, so that codes can be compared one by one.
    let calibration: Vec<Calibration> =
        calibrate(model, &dataset.train, SEED).unwrap().into_iter().map(|layer| layer.range.into()).collect();
    let scales = layer_scales(model, &calibration).unwrap();
    let faked = FloatModel::new(model.architecture().clone(), SEED).unwrap();
    faked.restore(&model.snapshot().unwrap()).unwrap();
    for (scales, parameters) in scales.iter().zip(faked.parameters()) {
        let (Some(scales), Some(Parameters { weight, .. })) = (scales, parameters) else { continue };
        let mut values = weight.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        fake_weights(&mut values, &scales.weights);
        weight.set(&Tensor::from_vec(values, weight.dims(), &Device::Cpu).unwrap()).unwrap();
    }
    let file = file(model, &calibration);
    let mut arena = vec![0; infer_core::arena_len(&file)];
    let mut network = infer_core::Network::new(&file, &mut arena).unwrap();
    let mut equal = [(0, 0); 3];
    for index in 0..100 {
        let (input, _) = batch::gather(&dataset.validation, &[index]).unwrap();
        let mut expected: Vec<Vec<u8>> = Vec::new();
        let fake = |layer: usize, activation: Tensor| {
            let Some(codes) = scales[layer].as_ref().and_then(|scales| scales.output) else { return Ok(activation) };
            let mut values = activation.flatten_all()?.to_vec1::<f32>()?;
            fake_activations(&mut values, codes);
            let code = |value: &f32| (value / codes.scale).round() as i32 + i32::from(codes.zero_point);
            expected.push(values.iter().map(|value| u8::try_from(code(value)).unwrap()).collect());
            Tensor::from_vec(values, activation.dims(), &Device::Cpu)
        };
        faked.forward_edited(&input, fake).unwrap();
        let mut expected = expected.into_iter().zip(&mut equal);
        let compare = |_, codes: &[u8]| {
            let (expected, (equal, all)) = expected.next().unwrap();
            assert_eq!(expected.len(), codes.len());
            *equal += expected.iter().zip(codes).filter(|(expected, code)| expected == code).count();
            *all += codes.len();
            // Where a sum is next to half a step, floats and integers may round apart, and what follows with them.
            assert!(expected.iter().zip(codes).all(|(expected, &code)| expected.abs_diff(code) <= 1));
        };
        network.classify_traced(&dataset.validation.image(index).unwrap(), compare).unwrap();
    }
    for (layer, ((equal, all), least)) in equal.into_iter().zip([0.9995, 0.999, 0.98]).enumerate() {
        assert!(equal as f64 >= least * all as f64, "output {layer}: {equal} of {all} codes");
    }
}

#[test]
fn a_report_shows_the_scales_of_the_file_and_what_the_file_answers() {
    let (dataset, model) = (garments(), trained());
    let calibration = calibrate(model, &dataset.train, SEED).unwrap();
    let file = file(model, &calibration);
    let report = Report::new(model, &calibration, &file, &dataset.validation).unwrap();
    assert_eq!(report.images, 300);
    assert_eq!(
        report.float.score,
        evaluate::float(model, &dataset.validation).unwrap().score.over(dataset.validation.len())
    );
    assert_eq!(report.float.agreement_with_float, 1.0);
    assert_eq!(
        report.int8.score,
        evaluate::int8(&file, &dataset.validation).unwrap().score.over(dataset.validation.len())
    );
    let listing = trainer::export::inspect::Listing::new(&file).unwrap();
    for layer in &report.layers {
        let scales = listing.layers[layer.layer].scales.unwrap();
        for (reported, listed) in [
            (layer.weights.unwrap().smallest_scale, scales.smallest_weight.unwrap()),
            (layer.weights.unwrap().largest_scale, scales.largest_weight.unwrap()),
        ] {
            assert!((reported / listed - 1.0).abs() < 1e-5, "layer {}: {reported} {listed}", layer.layer);
        }
        let codes = layer.activation.codes.map(|codes| (codes.scale, codes.zero_point));
        assert_eq!(codes, scales.zero_point.map(|zero_point| (scales.output, zero_point)));
    }
    assert!(listing.layers[2].scales.unwrap().zero_point > Some(0), "a layer without ReLU is among them");
}
