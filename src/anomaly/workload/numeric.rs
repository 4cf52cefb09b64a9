//! The two pieces of numerical work of the workload detector.

/// Inverse hyperbolic sine: x near 0, ± ln 2|x| far out. Relative error below 1e-6; NaN stays NaN, ±∞ becomes ±42.1.
///
/// Written out so that a loop over it is vectorised and gives the same bits on every platform. With
/// `t = a + a²/(1 + √(1+a²))`, `asinh a = ln(1+t)`, which is split into exponent and mantissa and ends in the series of
/// `2 artanh(s) = ln((1+s)/(1-s))`.
#[inline]
pub(super) fn asinh(x: f32) -> f32 {
    const ROOT_HALF: i32 = 0x3f35_04f3;
    // Squares of larger numbers overflow.
    let a = x.abs().min(1e18);
    let square = a * a;
    let t = a + square / (1.0 + (1.0 + square).sqrt());
    let bits = (1.0 + t).to_bits() as i32;
    let exponent = (bits - ROOT_HALF) >> 23;
    let mantissa = f32::from_bits((bits - (exponent << 23)) as u32);
    // `1 + t` has lost the last digits of a small `t`.
    let above_one = if exponent == 0 { t } else { mantissa - 1.0 };
    let s = above_one / (2.0 + above_one);
    let s2 = s * s;
    let series = s2 * (1.0 / 3.0 + s2 * (1.0 / 5.0 + s2 * (1.0 / 7.0 + s2 * (1.0 / 9.0))));
    let ln = exponent as f32 * std::f32::consts::LN_2 + 2.0 * (s + s * series);
    let result = ln.copysign(x);
    if x.is_nan() { x } else { result }
}

/// Replaces the symmetric positive definite `matrix`, `n` rows of `n`, by its inverse; only the lower triangle is read,
/// all is written. Returns false, with the matrix spoilt, if it is not positive definite within rounding.
///
/// Cholesky's factor L, its inverse in place, then `L⁻ᵀ L⁻¹`: about n³/2 multiplications.
pub(super) fn invert(matrix: &mut [f64], n: usize) -> bool {
    assert_eq!(matrix.len(), n * n, "a square matrix");
    for i in 0..n {
        let (above, from_i) = matrix.split_at_mut(i * n);
        let row = &mut from_i[..n];
        for j in 0..i {
            let other = &above[j * n..j * n + n];
            row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
        }
        let pivot = row[i] - dot(&row[..i], &row[..i]);
        // Also false for NaN.
        if !(pivot > 0.0 && pivot.is_finite()) {
            return false;
        }
        row[i] = pivot.sqrt();
    }
    // Row i of L⁻¹ is (unit row i - Σ_{k<i} L_ik · row k of L⁻¹) / L_ii.
    let mut sum = vec![0.0; n];
    for i in 0..n {
        let (above, from_i) = matrix.split_at_mut(i * n);
        let row = &mut from_i[..n];
        sum[..i].fill(0.0);
        for (k, &factor) in row[..i].iter().enumerate() {
            for (sum, value) in sum[..=k].iter_mut().zip(&above[k * n..=k * n + k]) {
                *sum += factor * value;
            }
        }
        let scale = 1.0 / row[i];
        for (value, sum) in row[..i].iter_mut().zip(&sum) {
            *value = -scale * sum;
        }
        row[i] = scale;
        row[i + 1..].fill(0.0);
    }
    // Row i of the product reads rows i and below of L⁻¹ only, so it can take the place of row i.
    for i in 0..n {
        sum.fill(0.0);
        for k in i..n {
            let row = &matrix[k * n..=k * n + k];
            let factor = row[i];
            for (sum, value) in sum.iter_mut().zip(row) {
                *sum += factor * value;
            }
        }
        matrix[i * n..(i + 1) * n].copy_from_slice(&sum);
    }
    true
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anomaly::random::Dice;

    #[test]
    fn asinh_is_exact_to_six_digits() {
        let mut x = 1e-12_f32;
        while x < 1e17 {
            let exact = f64::from(x).asinh();
            assert!((f64::from(asinh(x)) / exact - 1.0).abs() < 1e-6, "{x}: {} {exact}", asinh(x));
            assert_eq!(asinh(-x), -asinh(x));
            x *= 1.003;
        }
        assert_eq!(asinh(0.0), 0.0);
        assert!(asinh(f32::NAN).is_nan());
        assert!((42.0..43.0).contains(&asinh(f32::INFINITY)));
    }

    #[test]
    fn inverse_times_matrix_is_one() {
        let mut dice = Dice::new(1, 0);
        for n in [1, 2, 3, 8, 40] {
            let factor: Vec<f64> = (0..n * n).map(|_| f64::from(dice.unit() - 0.5)).collect();
            let mut matrix = vec![0.0; n * n];
            for i in 0..n {
                for j in 0..n {
                    let product = dot(&factor[i * n..(i + 1) * n], &factor[j * n..(j + 1) * n]);
                    matrix[i * n + j] = product + if i == j { 0.1 } else { 0.0 };
                }
            }
            let mut inverse = matrix.clone();
            assert!(invert(&mut inverse, n));
            for i in 0..n {
                for j in 0..n {
                    let one: f64 = (0..n).map(|k| inverse[i * n + k] * matrix[k * n + j]).sum();
                    assert!((one - f64::from(u8::from(i == j))).abs() < 1e-10, "{n}: {i} {j} {one}");
                    assert!((inverse[i * n + j] - inverse[j * n + i]).abs() < 1e-10);
                }
            }
        }
    }

    #[test]
    fn what_has_no_inverse_is_refused() {
        for matrix in [[1.0, 2.0, 2.0, 1.0], [0.0; 4], [f64::NAN, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, f64::INFINITY]] {
            assert!(!invert(&mut matrix.clone(), 2), "{matrix:?}");
        }
    }
}
