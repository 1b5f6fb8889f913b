//! Whether two models differ, by the images that only one of them has right.

/// The p-value of McNemar's exact test, two-sided, 0 to 1: of `one` images that only one model has right and `other` that only the other
/// has.
///
/// If both are equally good, each such image is as likely to be either model's, and `one` is a draw from the binomial distribution of
/// `n = one + other` with 1/2:
///
/// ```text
/// p = min(1, 2 * sum(n! / (k! (n - k)!) / 2^n for k in 0..=min(one, other)))
/// ```
///
/// Q. McNemar, "Note on the Sampling Error of the Difference between Correlated Proportions or Percentages", Psychometrika 12 (1947),
/// 153-157; the exact form as in M. W. Fagerland, S. Lydersen and P. Laake, "The McNemar Test for Binary Matched-pairs Data", BMC Medical
/// Research Methodology 13 (2013), 91.
#[must_use]
pub fn exact(one: usize, other: usize) -> f64 {
    let (fewer, n) = (one.min(other), one + other);
    // Logarithms: 2^-n is no f64 for more than a thousand images.
    let mut logarithm = -(n as f64) * std::f64::consts::LN_2;
    let mut logarithms = vec![logarithm];
    for k in 1..=fewer {
        logarithm += ((n - k + 1) as f64 / k as f64).ln();
        logarithms.push(logarithm);
    }
    // The last is the highest; the lowest are added first.
    let sum: f64 = logarithms.iter().map(|term| (term - logarithm).exp()).sum();
    (2.0 * sum * logarithm.exp()).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exact_test_is_that_of_binomial_coefficients() {
        // 2 * (1 + 6) / 64; 2 / 1024; 2 * (1 + 12 + 66) / 4096; the middle counts twice where both are equal, so that 1 is the most.
        for (one, other, expected) in
            [(1, 5, 0.21875), (5, 1, 0.21875), (0, 10, 0.001953125), (2, 10, 0.03857421875), (4, 4, 1.0), (0, 0, 1.0)]
        {
            let found = exact(one, other);
            assert!((found - expected).abs() < 1e-12, "{one} and {other}: {found}");
        }
        assert_eq!((exact(0, 1), exact(1, 0)), (1.0, 1.0));
    }

    #[test]
    fn thousands_of_images_are_no_underflow() {
        // The first by sums of whole numbers of any size, the second below any f64.
        let found = exact(1400, 1600);
        assert!((found / 2.785_639_610_392_337e-4 - 1.0).abs() < 1e-9, "{found}");
        assert_eq!(exact(10, 4990), 0.0);
    }
}
