//! Some images out of many.

/// Indices of `most` things out of `count`, spread evenly: of images sorted by class they are of many classes, of
/// shuffled ones they are as good as any.
pub fn spread(count: usize, most: usize) -> Vec<usize> {
    let taken = count.min(most);
    (0..taken).map(|index| index * count / taken).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_spread_over_all_images() {
        assert_eq!(spread(100, 5), [0, 20, 40, 60, 80]);
        assert_eq!(spread(3, 5), [0, 1, 2]);
        assert!(spread(0, 5).is_empty());
        assert!(spread(57_000, 25).windows(2).all(|pair| pair[0] < pair[1]));
    }
}
