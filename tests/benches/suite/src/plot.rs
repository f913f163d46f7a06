//! The picture: client CPU per record, a bar for each contender.

use std::fmt::Write;

use crate::report::Row;

const WIDTH: usize = 720;
const LEFT: usize = 190;
const BAR: usize = 18;
const GAP: usize = 6;

/// Bars for some workloads, one group below the other. Shorter is better.
pub(crate) fn svg(groups: &[(&str, &[Row])], caption: &str) -> String {
    let rows: usize = groups.iter().map(|(_, rows)| rows.len()).sum();
    let height = rows * (BAR + GAP) + groups.len() * 44 + 40;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let mut y = 8;
    for (title, rows) in groups {
        y += 24;
        writeln!(
            svg,
            "<text x=\"8\" y=\"{y}\" font-weight=\"bold\">{title}: client CPU, ns per record</text>"
        )
        .expect("it is text");
        y += 12;
        let most = rows.iter().map(|row| row.median(|run| run.cpu_ns)).fold(1.0, f64::max);
        for row in *rows {
            let cpu = row.median(|run| run.cpu_ns);
            let length = (cpu / most * (WIDTH - LEFT - 80) as f64).max(1.0);
            let colour = if row.is_felice {
                "#1a7f5a"
            } else if row.is_limit {
                "#999999"
            } else {
                "#5b7db1"
            };
            writeln!(
                svg,
                "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\
                 <rect x=\"{LEFT}\" y=\"{y}\" width=\"{length:.0}\" height=\"{BAR}\" fill=\"{colour}\"/>\
                 <text x=\"{:.0}\" y=\"{}\">{cpu:.0}</text>",
                LEFT - 8,
                y + BAR - 5,
                row.name.replace("replay of felice's requests", "replay"),
                LEFT as f64 + length + 6.0,
                y + BAR - 5,
            )
            .expect("it is text");
            y += BAR + GAP;
        }
        y += 8;
    }
    writeln!(
        svg,
        "<text x=\"8\" y=\"{}\" font-size=\"11\" fill=\"#555555\">{caption}</text>\n</svg>",
        y + 20
    )
    .expect("it is text");
    svg
}
