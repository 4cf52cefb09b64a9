use super::*;

const MINUTE: i64 = 60_000;
const START: TimestampMs = 1_772_323_200_000;

fn times(n: usize) -> Vec<TimestampMs> {
    (0..n as i64).map(|i| START + i * MINUTE).collect()
}

fn plot<'a>(times: &'a [TimestampMs], value: &'a [f64]) -> Plot<'a> {
    Plot {
        title: "up",
        times,
        value,
        expected: &[],
        lower: &[],
        upper: &[],
        score: &[],
        marks: &[],
        width: 800,
        height: 240,
    }
}

/// The `d` of the only path with this class.
fn path<'a>(svg: &'a str, class: &str) -> Option<&'a str> {
    let from = svg.find(&format!("class=\"{class}\""))?;
    let data = &svg[from..];
    let data = &data[data.find(" d=\"")? + 4..];
    data.split('"').next()
}

#[test]
fn a_gap_interrupts_the_line_and_a_lone_sample_is_a_dot() {
    let value = [1.0, 2.0, f64::NAN, 3.0, f64::NAN, 4.0, 5.0];
    let times = times(value.len());
    let svg = plot(&times, &value).svg();
    let line = path(&svg, "plot-value").unwrap();
    assert_eq!(line.matches('M').count(), 3, "{line}");
    assert_eq!(line.matches("h0").count(), 1, "{line}");
}

#[test]
fn a_hole_in_the_times_is_a_gap_too() {
    let mut times = times(40);
    times.iter_mut().skip(20).for_each(|at| *at += 60 * MINUTE);
    let value = [1.0; 40];
    let svg = plot(&times, &value).svg();
    assert_eq!(path(&svg, "plot-value").unwrap().matches('M').count(), 2);
}

#[test]
fn a_million_samples_keep_their_spike_in_a_small_drawing() {
    let times = times(1_000_000);
    let mut value: Vec<f64> = (0..times.len()).map(|i| (i as f64 / 20_000.0).sin()).collect();
    value[654_321] = 50.0;
    let mut score = vec![0.1; value.len()];
    score[654_321] = 3.0;
    let lower: Vec<f64> = value.iter().map(|v| v - 0.2).collect();
    let upper: Vec<f64> = value.iter().map(|v| v + 0.2).collect();
    let whole = Plot { expected: &value, lower: &lower, upper: &upper, score: &score, ..plot(&times, &value) };
    let svg = whole.svg();
    assert!(svg.len() < 120_000, "{} bytes", svg.len());
    // The spike is the highest thing in its panel: 5 % of the panel below the top.
    let highest = path(&svg, "plot-value")
        .unwrap()
        .split(['M', 'L'])
        .filter_map(|point| point.split(' ').nth(1)?.parse::<f64>().ok())
        .fold(f64::INFINITY, f64::min);
    assert!(highest < 36.0, "{highest}");
    assert_eq!(path(&svg, "plot-score-area").unwrap().matches('M').count(), 1);
}

#[test]
fn a_wide_band_does_not_squeeze_the_values() {
    let value: Vec<f64> = (0..100).map(|i| f64::from(i % 10)).collect();
    let times = times(value.len());
    let (lower, upper) = (vec![f64::NEG_INFINITY; 100], vec![1e6; 100]);
    let all = Plot { lower: &lower, upper: &upper, ..plot(&times, &value) };
    let (low, high) = all.value_range();
    assert!(low <= 0.0 && high < 20.0, "{low} {high}");
    assert!(path(&all.svg(), "plot-band").is_some());
}

#[test]
fn labelled_windows_are_shaded_where_they_are_seen() {
    let (times, value) = (times(100), [1.0; 100]);
    let plot = plot(&times, &value);
    assert_eq!(plot.svg_over(&[]), plot.svg());
    assert!(!plot.svg().contains("plot-labelled"));
    let (last, far) = (times[99], times[99] + 1_000 * MINUTE);
    let svg = plot.svg_over(&[(times[50], far), (far, far), (times[10], times[10])]);
    assert_eq!(svg.matches("class=\"plot-labelled\"").count(), 2);
    assert!(
        svg.contains("3 labelled windows; nothing marked") && svg.contains(&format!("{} UTC</title>", instant(far)))
    );
    let width =
        |svg: &str| svg.split("plot-labelled").nth(1).unwrap().split(" width=\"").nth(1).unwrap()[..5].to_owned();
    assert_eq!(width(&svg), width(&plot.svg_over(&[(times[50], last)])), "drawn no further than the axis");
}

#[test]
fn names_from_outside_cannot_leave_their_text() {
    let title = "a{b=\"<script>alert('x')</script>\"}&\u{1}";
    let (times, value) = (times(3), [1.0, 2.0, 3.0]);
    let svg = Plot { title, ..plot(&times, &value) }.svg();
    assert!(!svg.contains("<script>") && !svg.contains('\u{1}'));
    assert!(svg.contains("a{b=&quot;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;}&amp;</title>"));
}

#[test]
fn odd_input_still_gives_a_drawing() {
    let inf = f64::INFINITY;
    let cases: [(&[TimestampMs], &[f64]); 7] = [
        (&[], &[]),
        (&[START], &[5.0]),
        (&[START, START], &[5.0, 6.0]),
        (&[START, START + 1], &[f64::NAN, f64::NAN]),
        (&[START, START + MINUTE, START + 2 * MINUTE], &[1.0]),
        (&[START, START + MINUTE], &[inf, -inf]),
        (&[i64::MIN, 0, i64::MAX], &[f64::MIN, 0.0, f64::MAX]),
    ];
    for (times, value) in cases {
        let whole = Plot {
            expected: value,
            lower: value,
            upper: value,
            score: value,
            marks: &[(START, START + MINUTE), (i64::MIN, i64::MAX)],
            width: 0,
            height: 0,
            ..plot(times, value)
        };
        let svg = whole.svg();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>"));
        assert!(!svg.contains("NaN") && !svg.contains("inf,") && !svg.contains("inf "), "{svg}");
    }
}
