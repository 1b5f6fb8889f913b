//! Several objectives at once: what dominates what, and how to order what does not.

use std::cmp::Ordering;

/// The numbers of one trial, the lower the better.
pub type Objectives = Vec<f64>;

/// Whether one is no worse than another in every objective, and better in one.
#[must_use]
pub fn dominates(one: &[f64], other: &[f64]) -> bool {
    let pairs = || one.iter().zip(other);
    pairs().all(|(one, other)| one <= other) && pairs().any(|(one, other)| one < other)
}

/// The Pareto front: those that none dominates, in the order of the list.
#[must_use]
pub fn front(points: &[Objectives]) -> Vec<usize> {
    (0..points.len()).filter(|&index| !points.iter().any(|other| dominates(other, &points[index]))).collect()
}

/// All, the best first: front after front, and within one those with the most room around them (crowding distance: Deb and others
/// 2002, NSGA-II). Of one objective that is its own order. Equal ones stay in the order of the list.
#[must_use]
pub fn order(points: &[Objectives]) -> Vec<usize> {
    let mut left: Vec<usize> = (0..points.len()).collect();
    let mut ordered = Vec::with_capacity(points.len());
    while !left.is_empty() {
        let (mut this, rest): (Vec<usize>, Vec<usize>) =
            left.iter().partition(|&&index| !left.iter().any(|&other| dominates(&points[other], &points[index])));
        let distances = crowding(points, &this);
        let mut places: Vec<usize> = (0..this.len()).collect();
        places.sort_by(|&a, &b| distances[b].total_cmp(&distances[a]).then(this[a].cmp(&this[b])));
        this = places.into_iter().map(|place| this[place]).collect();
        ordered.extend(this);
        left = rest;
    }
    ordered
}

/// How far apart the neighbors of each are: the sum over the objectives of their distance, as a share of the whole range. Those at an
/// end of an objective are infinitely far from others.
fn crowding(points: &[Objectives], front: &[usize]) -> Vec<f64> {
    let mut distances = vec![0.0; front.len()];
    let objectives = front.first().map_or(0, |&index| points[index].len());
    for objective in 0..objectives {
        let value = |place: usize| points[front[place]][objective];
        let mut places: Vec<usize> = (0..front.len()).collect();
        places.sort_by(|&a, &b| value(a).partial_cmp(&value(b)).unwrap_or(Ordering::Equal).then(a.cmp(&b)));
        let (Some(&first), Some(&last)) = (places.first(), places.last()) else { continue };
        let range = value(last) - value(first);
        if range <= 0.0 {
            continue;
        }
        distances[first] = f64::INFINITY;
        distances[last] = f64::INFINITY;
        for neighbors in places.windows(3) {
            distances[neighbors[1]] += (value(neighbors[2]) - value(neighbors[0])) / range;
        }
    }
    distances
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_is_what_none_dominates() {
        let points =
            vec![vec![1.0, 5.0], vec![2.0, 2.0], vec![3.0, 3.0], vec![5.0, 1.0], vec![2.0, 2.0], vec![5.0, 2.0]];
        assert_eq!(front(&points), [0, 1, 3, 4]);
        assert!(!dominates(&points[1], &points[4]), "equal ones do not dominate each other");
        assert_eq!(front(&[]), Vec::<usize>::new());
    }

    #[test]
    fn one_objective_is_its_own_order() {
        let points: Vec<Objectives> = [0.3, 0.1, 0.2, 0.1].map(|value| vec![value]).to_vec();
        assert_eq!(order(&points), [1, 3, 2, 0]);
    }

    #[test]
    fn fronts_come_one_after_the_other_with_their_ends_first() {
        let points =
            vec![vec![4.0, 4.0], vec![0.0, 3.0], vec![0.9, 2.9], vec![1.5, 1.5], vec![3.0, 0.0], vec![2.0, 2.0]];
        // In the first front 3 has more room than 2.
        assert_eq!(order(&points), [1, 4, 3, 2, 5, 0]);
    }

    #[test]
    fn numbers_that_are_none_dominate_nothing_and_infinite_ones_come_last() {
        let points = vec![vec![f64::NAN, 1.0], vec![1.0, f64::NAN]];
        assert_eq!(order(&points).len(), 2);
        assert_eq!(order(&[vec![f64::INFINITY], vec![1.0]]), [1, 0]);
    }
}
