//! The validation split: the same share of every class.

use std::collections::{HashMap, HashSet};

use super::DataError;
use super::content::ContentHash;
use crate::support::rng::{self, Purpose};

/// Indices of the training and of the validation images, each in ascending order.
///
/// `fraction` of all images is held out, rounded; each class gives its share, the largest remainders deciding the last
/// few, and at least one image where it has two. Which images of a class they are is drawn from `seed`.
///
/// # Errors
/// [`DataError::Fraction`] outside 0 to 1; [`DataError::TooFew`] where a class cannot be on both sides.
pub fn stratified(
    labels: &[u16],
    classes: usize,
    fraction: f64,
    seed: u64,
) -> Result<(Vec<usize>, Vec<usize>), DataError> {
    if !(fraction > 0.0 && fraction < 1.0) {
        return Err(DataError::Fraction { fraction });
    }
    let members = members(labels, classes);
    let held_out = apportion(&members.iter().map(Vec::len).collect::<Vec<_>>(), fraction);
    let (mut train, mut validation) = (Vec::new(), Vec::new());
    for (class, (mut members, held_out)) in members.into_iter().zip(held_out).enumerate() {
        if members.is_empty() {
            continue;
        }
        if held_out == 0 || held_out == members.len() {
            return Err(DataError::TooFew { class, images: members.len() });
        }
        rng::shuffle(&mut members, &mut rng::stream(seed, Purpose::Split, class as u64));
        validation.extend_from_slice(&members[..held_out]);
        train.extend_from_slice(&members[held_out..]);
    }
    train.sort_unstable();
    validation.sort_unstable();
    Ok((train, validation))
}

/// As [`stratified`], with equal images on one side: of each, the first decides for all.
///
/// Where that leaves a class too few different images, as one of copies alone, its copies are on both sides. A set without equal
/// images is split as [`stratified`] splits it.
///
/// # Errors
/// Those of [`stratified`].
pub fn stratified_by_content(
    contents: &[ContentHash],
    labels: &[u16],
    classes: usize,
    fraction: f64,
    seed: u64,
) -> Result<(Vec<usize>, Vec<usize>), DataError> {
    let mut first = HashMap::new();
    let first_of: Vec<usize> =
        contents.iter().enumerate().map(|(index, content)| *first.entry(content).or_insert(index)).collect();
    let different: Vec<usize> = (0..first_of.len()).filter(|&index| first_of[index] == index).collect();
    let of_different: Vec<u16> = different.iter().map(|&index| labels[index]).collect();
    let plain = || stratified(labels, classes, fraction, seed);
    if different.len() == contents.len() {
        return plain();
    }
    match stratified(&of_different, classes, fraction, seed) {
        Ok((_, held_out)) => {
            let held_out: HashSet<usize> = held_out.into_iter().map(|index| different[index]).collect();
            Ok((0..first_of.len()).partition(|&index| !held_out.contains(&first_of[index])))
        }
        Err(DataError::TooFew { .. }) => plain(),
        Err(error) => Err(error),
    }
}

/// The indices of the images of each class, in ascending order.
pub(crate) fn members(labels: &[u16], classes: usize) -> Vec<Vec<usize>> {
    let mut members = vec![Vec::new(); classes];
    for (index, &label) in labels.iter().enumerate() {
        members[usize::from(label)].push(index);
    }
    members
}

/// How many of each class are held out: the largest-remainder method.
fn apportion(counts: &[usize], fraction: f64) -> Vec<usize> {
    let total = counts.iter().sum::<usize>() as f64;
    let quotas: Vec<f64> = counts.iter().map(|&count| count as f64 * fraction).collect();
    let mut shares: Vec<usize> = quotas.iter().map(|quota| *quota as usize).collect();
    let remaining = ((total * fraction).round() as usize).saturating_sub(shares.iter().sum());
    let mut by_remainder: Vec<usize> = (0..counts.len()).collect();
    by_remainder.sort_by(|&a, &b| quotas[b].fract().total_cmp(&quotas[a].fract()).then(a.cmp(&b)));
    for &class in by_remainder.iter().take(remaining) {
        shares[class] += 1;
    }
    for (share, &count) in shares.iter_mut().zip(counts) {
        *share = (*share).clamp(count.min(1), count.saturating_sub(1).max(count.min(1)));
    }
    shares
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn five_percent_of_fashion_mnist_is_300_of_each_class() {
        let labels: Vec<u16> = (0..60_000).map(|index| (index * 7 % 10) as u16).collect();
        let (train, validation) = stratified(&labels, 10, 0.05, 48).unwrap();
        assert_eq!((train.len(), validation.len()), (57_000, 3_000));
        for class in 0..10 {
            assert_eq!(validation.iter().filter(|&&index| labels[index] == class).count(), 300);
        }
        assert_eq!(stratified(&labels, 10, 0.05, 48).unwrap().1, validation);
        assert_ne!(stratified(&labels, 10, 0.05, 49).unwrap().1, validation);
    }

    fn contents(numbers: &[u8]) -> Vec<ContentHash> {
        let shape = crate::dataset::ImageShape { height: 1, width: 1, channels: 1 };
        numbers.iter().map(|&number| ContentHash::of(shape, &[number])).collect()
    }

    #[test]
    fn equal_images_are_on_one_side_and_others_where_they_were() {
        let numbers: Vec<u8> = (0..200).collect();
        let labels: Vec<u16> = (0..200).map(|index| index % 3).collect();
        let plain = stratified(&labels, 3, 0.2, 48).unwrap();
        assert_eq!(stratified_by_content(&contents(&numbers), &labels, 3, 0.2, 48).unwrap(), plain);

        // Each image three times, in one class.
        let numbers: Vec<u8> = (0..180).map(|index| index % 60).collect();
        let labels: Vec<u16> = numbers.iter().map(|&number| u16::from(number % 3)).collect();
        let (train, validation) = stratified_by_content(&contents(&numbers), &labels, 3, 0.2, 48).unwrap();
        assert_eq!((train.len(), validation.len()), (144, 36));
        assert!(validation.iter().all(|&index| !train.iter().any(|&other| numbers[other] == numbers[index])));
    }

    #[test]
    fn a_class_of_copies_alone_is_on_both_sides() {
        let (train, validation) =
            stratified_by_content(&contents(&[9; 8]), &[0, 0, 0, 0, 1, 1, 1, 1], 2, 0.5, 48).unwrap();
        assert_eq!((train.len(), validation.len()), (4, 4));
    }

    #[test]
    fn a_fraction_must_lie_between_0_and_1() {
        for fraction in [0.0, 1.0, -0.1, 1.5, f64::NAN, f64::INFINITY] {
            let message = stratified(&[0, 0, 1, 1], 2, fraction, 48).unwrap_err().to_string();
            assert!(message.contains("must be over 0 and under 1"), "{message}");
        }
    }

    #[test]
    fn a_class_of_one_image_is_refused_by_number() {
        let message = stratified(&[0, 0, 0, 1, 2, 2], 3, 0.5, 48).unwrap_err().to_string();
        assert!(message.starts_with("class 1 has 1 images, too few"), "{message}");
    }

    proptest! {
        #[test]
        fn every_image_is_on_one_side_and_every_class_on_both(
            counts in prop::collection::vec(2usize..60, 2..12),
            fraction in 0.01f64..0.99,
            seed: u64,
        ) {
            let labels: Vec<u16> =
                counts.iter().enumerate().flat_map(|(class, &count)| vec![class as u16; count]).collect();
            let (train, validation) = stratified(&labels, counts.len(), fraction, seed).unwrap();
            let mut all = [train.clone(), validation.clone()].concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..labels.len()).collect::<Vec<_>>());
            for (class, &count) in counts.iter().enumerate() {
                let held_out = validation.iter().filter(|&&index| usize::from(labels[index]) == class).count();
                prop_assert!(held_out >= 1 && held_out < count);
                prop_assert!((held_out as f64 - count as f64 * fraction).abs() <= 1.0);
            }
        }
    }
}
