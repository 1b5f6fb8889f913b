//! Answers that are sure enough, and decisions over frames: infer-core against the oracle.

use infer_core::header::{HEADER_LEN, HIGHEST_TEMPERATURE, LOWEST_TEMPERATURE};
use infer_core::{Error, Header, HeaderField, Network, Smoother, Smoothing};
use proptest::prelude::*;
use thimble_tests::constant::constant;
use thimble_tests::decisions::SmootherOracle;
use thimble_tests::oracle::Oracle;
use thimble_tests::tiny;
use trainer::export::decision::Decision;
use trainer::export::model_file::ModelFileError;

/// What a network with these logits decides, and the probability that it gives its class.
fn decided(logits: &[i32], scale: f32, decision: &Decision) -> (Option<usize>, f32) {
    let file = decision.apply(&constant(logits, scale)).unwrap();
    let mut arena = vec![0; infer_core::arena_len(&file)];
    let mut network = Network::new(&file, &mut arena).unwrap();
    let output = network.classify(&[0]).unwrap();
    assert_eq!(output.logits(), logits);
    let answer = output.decide();
    assert!(answer.is_none_or(|class| class == output.class()));
    let wide: Vec<i64> = logits.iter().map(|&logit| logit.into()).collect();
    let oracle = Oracle::new(&file).decision;
    assert_eq!(answer, oracle.decide(&wide), "{logits:?} {scale} {decision:?}");
    assert_eq!(f64::from(output.threshold(output.class())), oracle.threshold(output.class()));
    let (exact, threshold) = (oracle.probability(&wide), oracle.threshold(output.class()));
    if (exact - threshold).abs() > 0.003 {
        assert_eq!(answer.is_some(), exact > threshold, "{exact} {threshold}");
    }
    (answer, output.top_k::<1>()[0].probability)
}

fn of_threshold(threshold: f32) -> Decision {
    Decision { threshold, ..Decision::default() }
}

#[test]
fn an_answer_has_to_reach_its_threshold() {
    // 0.731, 0.269 and next to nothing.
    let logits = [1000, 900, 0, -250];
    for (threshold, answer) in [(0.0, Some(0)), (0.5, Some(0)), (0.73, Some(0)), (0.732, None), (1.0, None)] {
        assert_eq!(decided(&logits, 0.01, &of_threshold(threshold)).0, answer, "{threshold}");
    }
    let (_, probability) = decided(&logits, 0.01, &Decision::default());
    let next = f32::from_bits(probability.to_bits() + 2);
    assert_eq!(decided(&logits, 0.01, &of_threshold(next)).0, None);
}

#[test]
fn equal_logits_are_as_probable_as_their_number_says() {
    assert_eq!(decided(&[7; 4], 1.0, &of_threshold(0.25)).0, Some(0));
    assert_eq!(decided(&[7; 4], 1.0, &of_threshold(0.250_001)).0, None);
    assert_eq!(decided(&[7; 1], 1.0, &of_threshold(1.0)).0, Some(0));
}

#[test]
fn a_class_with_a_higher_threshold_of_its_own_has_to_reach_that() {
    let decision =
        |class_thresholds: [f32; 3]| Decision { class_thresholds: class_thresholds.to_vec(), ..of_threshold(0.4) };
    // Class 1 has 0.576.
    let logits = [0, 100, 0];
    for (own, answer) in [
        ([0.0; 3], Some(1)),
        ([0.0, 0.5, 0.0], Some(1)),
        ([0.0, 0.6, 0.0], None),
        ([0.9, 0.1, 0.9], Some(1)),
        ([1.0, 1.0, 1.0], None),
    ] {
        assert_eq!(decided(&logits, 0.01, &decision(own)).0, answer, "{own:?}");
    }
    assert_eq!(decided(&logits, 0.01, &Decision { threshold: 0.6, ..decision([0.1; 3]) }).0, None);
}

#[test]
fn logits_and_scales_at_the_ends_of_their_range_are_decided_too() {
    for scale in [f32::MIN_POSITIVE, 1e-30, 1.0, 1e30, f32::MAX] {
        for logits in [[i32::MIN, i32::MAX, 0], [i32::MAX; 3], [i32::MIN; 3]] {
            let file = of_threshold(0.5).apply(&constant(&logits, scale)).unwrap();
            let mut arena = vec![0; infer_core::arena_len(&file)];
            let mut network = Network::new(&file, &mut arena).unwrap();
            let output = network.classify(&[0]).unwrap();
            assert!(output.decide().is_none_or(|class| class == output.class()));
        }
    }
    assert_eq!(decided(&[i32::MIN, i32::MAX, 0], 1.0, &of_threshold(1.0)).0, Some(1));
}

/// Logits about as far apart as those of networks are, with ties, and thresholds of all kinds.
fn cases() -> impl Strategy<Value = (Vec<i32>, f32, Decision)> {
    let logits = prop_oneof![
        prop::collection::vec(-3000..3000i32, 1..24),
        prop::collection::vec(-3..3i32, 1..6),
        prop::collection::vec(any::<i32>(), 1..6)
    ];
    (logits, 1e-4..0.01f32, prop_oneof![Just(0f32), 0f32..=1.0], 0.25..4f32, any::<bool>(), any::<u64>()).prop_map(
        |(logits, scale, threshold, temperature, has_own, seed)| {
            let own = |class: usize| ((seed.rotate_left(7 * class as u32) >> 48) as f32 / 65536.0).powi(2);
            let class_thresholds = (0..logits.len()).filter(|_| has_own).map(own).collect();
            (logits, scale, Decision { temperature, threshold, class_thresholds })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn any_logits_and_thresholds_are_decided_as_the_oracle_decides((logits, scale, decision) in cases()) {
        decided(&logits, scale, &decision);
    }

    #[test]
    fn thresholds_next_to_a_probability_are_decided_as_the_oracle_decides(
        (logits, scale, decision) in cases(), ulps in -2i32..=2
    ) {
        let open = Decision { threshold: 0.0, class_thresholds: Vec::new(), ..decision };
        let (_, probability) = decided(&logits, scale, &open);
        let threshold = f32::from_bits(probability.to_bits().saturating_add_signed(ulps)).min(1.0);
        decided(&logits, scale, &Decision { threshold, ..open });
    }

    #[test]
    fn frames_are_smoothed_as_the_oracle_smooths(
        frames in prop::collection::vec(prop_oneof![2 => Just(Some(1)), 1 => prop::option::of(0usize..6)], 0..200),
        shift in 0u8..=8, enter in 1u8..=100, leave in 0u8..=100,
    ) {
        let leave = leave.min(enter);
        let mut smoother = Smoother::<5>::new(Smoothing { shift, enter, leave }).unwrap();
        let mut oracle = SmootherOracle::new(5, shift, enter, leave);
        for &frame in &frames {
            // There is no class 5.
            let expected = oracle.update(frame.filter(|&class| class < 5));
            prop_assert_eq!(smoother.update(frame), expected);
            prop_assert_eq!(smoother.answer(), expected);
        }
        for class in 0..5 {
            let share = i64::from(smoother.share(class));
            prop_assert_eq!(share, oracle.share(class));
            let exact = oracle.exact_share(class) * f64::from(1 << 24);
            prop_assert!((share as f64 - exact).abs() <= f64::from(1 << shift), "{} {}", share, exact);
        }
        smoother.reset();
        prop_assert_eq!(smoother, Smoother::new(Smoothing { shift, enter, leave }).unwrap());
    }
}

#[test]
fn a_smoother_follows_at_once_or_slowly_and_keeps_its_answer_between_its_two_thresholds() {
    let run = |smoothing, frames: &[Option<usize>]| {
        let mut smoother = Smoother::<3>::new(smoothing).unwrap();
        frames.iter().map(|&frame| smoother.update(frame)).collect::<Vec<_>>()
    };
    let (a, b) = (Some(0), Some(1));
    let last_frame = Smoothing { shift: 0, enter: 100, leave: 100 };
    assert_eq!(run(last_frame, &[a, b, None, a, Some(3), b]), [a, b, None, a, None, b]);
    let half = Smoothing { shift: 1, enter: 75, leave: 25 };
    // Shares of a: 1/2, 3/4, 3/8, 3/16; and of b: 0, 0, 0, 1/2, 3/4.
    assert_eq!(run(half, &[a, a, None, b, b]), [None, a, a, None, b]);
    // One that takes over at once, as it has the larger share.
    let low = Smoothing { shift: 1, enter: 40, leave: 10 };
    assert_eq!(run(low, &[a, b, a, None, b]), [a, b, a, a, b]);
    let mut full = Smoother::<1>::new(Smoothing { shift: 8, enter: 100, leave: 0 }).unwrap();
    let steps = (1..).find(|_| full.update(a).is_some()).unwrap();
    assert!(full.share(0) == 1 << 24 && (2000..5000).contains(&steps), "{steps}");
    for _ in 0..100_000 {
        full.update(None);
    }
    assert_eq!((full.share(0), full.answer()), (255, a), "with 0 to leave, only another class ends an answer");
    assert_eq!(Smoother::<0>::new(Smoothing::DEFAULT).unwrap().update(a), None);
    assert_eq!(Smoother::<3>::new(Smoothing::DEFAULT).unwrap().share(3), 0);
}

#[test]
fn a_smoother_of_numbers_out_of_range_is_none() {
    for (shift, enter, leave) in [(9, 60, 40), (255, 60, 40), (2, 0, 0), (2, 101, 40), (2, 60, 61), (2, 255, 255)] {
        assert_eq!(Smoother::<3>::new(Smoothing { shift, enter, leave }), None, "{shift} {enter} {leave}");
    }
    assert_eq!(Smoothing::default(), Smoothing { shift: 2, enter: 60, leave: 40 });
}

#[test]
fn a_file_that_states_nothing_keeps_its_bytes_and_a_temperature_changes_the_scale_alone() {
    let file = tiny::model().file();
    assert_eq!(Decision::default().apply(&file).unwrap(), file);
    let pixels = tiny::model().image(2);
    let classify = |file: &[u8]| {
        let mut arena = vec![0; infer_core::arena_len(file)];
        let mut network = Network::new(file, &mut arena).unwrap();
        let output = network.classify(&pixels).unwrap();
        (output.logits().to_vec(), output.scale())
    };
    let (logits, scale) = classify(&file);
    let decision = Decision { temperature: 1.7, threshold: 0.3, class_thresholds: vec![0.5, 0.0, 0.75] };
    let changed = decision.apply(&file).unwrap();
    assert_eq!(changed.len(), file.len() + 6);
    assert_eq!(classify(&changed), (logits.clone(), scale / 1.7));
    assert_eq!(Decision::of_file(&changed).unwrap(), decision);
    let header = Header::parse(&changed).unwrap();
    assert_eq!((header.temperature, header.threshold), (1.7, 0.3));
    // Once more: temperatures are multiplied, thresholds replaced.
    let again = Decision { temperature: 2.0, ..Decision::default() }.apply(&changed).unwrap();
    assert_eq!(classify(&again), (logits, scale / 1.7 / 2.0));
    assert_eq!(Decision::of_file(&again).unwrap(), Decision { temperature: 3.4, ..Decision::default() });
    assert_eq!(again.len(), file.len());
}

#[test]
fn temperatures_and_thresholds_out_of_range_are_refused() {
    let file = tiny::model().file();
    let header = Header::parse(&file).unwrap();
    let load = |header: Header| {
        let payload = &file[HEADER_LEN..];
        let file = [&header.with_checksum_of(payload).to_bytes()[..], payload].concat();
        Network::new(&file, &mut [0; 4096]).map(|_| ())
    };
    for temperature in [1.0, 0.5, 3.0, LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE] {
        assert_eq!(load(Header { temperature, ..header }), Ok(()), "{temperature}");
    }
    let refused = Err(Error::HeaderRange { field: HeaderField::Temperature });
    for temperature in [0.0, -1.0, -0.0, 1e-30, 1025.0, 1.0 / 1025.0, f32::INFINITY, f32::NAN, -f32::NAN] {
        assert_eq!(load(Header { temperature, ..header }), refused, "{temperature}");
    }
    for threshold in [0.0, f32::MIN_POSITIVE, 0.5, 1.0] {
        assert_eq!(load(Header { threshold, ..header }), Ok(()), "{threshold}");
    }
    let refused = Err(Error::HeaderRange { field: HeaderField::Threshold });
    for threshold in [-0.0, -0.5, 1.0 + f32::EPSILON, 2.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, -f32::NAN] {
        assert_eq!(load(Header { threshold, ..header }), refused, "{threshold}");
    }
    for temperature in [0.0, f32::NAN, 2000.0] {
        let error = Decision { temperature, ..Decision::default() }.apply(&file).unwrap_err();
        assert!(matches!(error, ModelFileError::Refused(_)), "{error}");
    }
}

#[test]
fn a_table_has_two_bytes_for_each_class_or_is_none() {
    let file = tiny::model().file();
    let header = Header::parse(&file).unwrap();
    let load = |table: &[u8]| {
        let payload = [&file[HEADER_LEN..], table].concat();
        let header = Header { payload_len: payload.len() as u32, ..header }.with_checksum_of(&payload);
        Network::new(&[&header.to_bytes()[..], &payload].concat(), &mut [0; 4096]).map(|_| ())
    };
    for table in [&[][..], &[0; 6], &[255; 6], &[1, 2, 3, 4, 5, 6]] {
        assert_eq!(load(table), Ok(()), "{table:?}");
    }
    for bytes in [1, 2, 3, 4, 5, 7, 12] {
        assert_eq!(load(&vec![0; bytes]), Err(Error::PayloadLeftOver { bytes }), "{bytes}");
    }
}
