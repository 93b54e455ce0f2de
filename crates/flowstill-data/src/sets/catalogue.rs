//! List the sets, what their files look like, and check a file against that.

use std::path::Path;

use crate::{DataConfig, Result, SetName, load};

/// What there is to know about a set before having it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SetInfo {
    /// Its name in configuration files.
    pub name: SetName,
    /// How many columns are modelled; 0 where the user's table says.
    pub dimensions: usize,
    /// Train, validation and test rows by the published convention; zeros where the user's table says.
    pub rows: [usize; 3],
    /// The publication or record it comes from.
    pub origin: &'static str,
    /// Its licence, as far as the record states one.
    pub licence: &'static str,
    /// The files it can be read from: any one of them, or a pair joined by "and".
    pub files: &'static [FileInfo],
}

/// A file that a set can be read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileInfo {
    /// Its name under the folder that `path` may name.
    pub name: &'static str,
    /// Whose format it is, and what is inside.
    pub content: &'static str,
    /// Columns in the file.
    pub columns: usize,
}

/// What [`check`] found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// The set asked about.
    pub set: SetName,
    /// Modelled columns.
    pub dimensions: usize,
    /// Train, validation and test rows.
    pub rows: [usize; 3],
    /// Where the numbers differ from the published ones, in plain words; empty when they agree.
    pub differences: Vec<String>,
    /// What was done to the rows.
    pub steps: Vec<String>,
}

const ARCHIVE: &str = "Zenodo record 1161203 (Papamakarios, Pavlakou and Murray, Masked Autoregressive Flow, 2017)";
const UCI_HOUSEHOLD: &str = "UCI, Individual household electric power consumption (Hebrail and Berard, 2012)";

const fn file(name: &'static str, content: &'static str, columns: usize) -> FileInfo {
    FileInfo { name, content, columns }
}

static SETS: [SetInfo; 7] = [
    SetInfo {
        name: SetName::Power,
        dimensions: 6,
        rows: [1_659_917, 184_435, 204_928],
        origin: UCI_HOUSEHOLD,
        licence: "CC BY 4.0",
        files: &[
            file("power/data.npy", ARCHIVE, 8),
            file("household_power_consumption.txt", "UCI's text: date, time and seven measurements", 9),
        ],
    },
    SetInfo {
        name: SetName::Gas,
        dimensions: 8,
        rows: [852_174, 94_685, 105_206],
        origin: "UCI, Gas sensor array under dynamic gas mixtures (Fonollosa, 2015)",
        licence: "as the UCI record states; cite its authors",
        files: &[
            file("gas/ethylene_CO.pickle", ARCHIVE, 19),
            file("ethylene_CO.txt", "UCI's text: time, two concentrations, sixteen sensors", 19),
        ],
    },
    SetInfo {
        name: SetName::Hepmass,
        dimensions: 21,
        rows: [315_123, 35_013, 174_987],
        origin: "UCI, HEPMASS (Baldi, Cranmer, Faucett, Sadowski and Whiteson, 2016)",
        licence: "as the UCI record states; cite its authors",
        files: &[
            file("hepmass/1000_train.csv and hepmass/1000_test.csv", ARCHIVE, 28),
            file("all_train.csv and all_test.csv (each also .gz)", "UCI's text: label, 27 features, mass", 29),
        ],
    },
    SetInfo {
        name: SetName::Miniboone,
        dimensions: 43,
        rows: [29_556, 3_284, 3_648],
        origin: "UCI, MiniBooNE particle identification (Roe, 2010)",
        licence: "as the UCI record states; cite its authors",
        files: &[
            file("miniboone/data.npy", ARCHIVE, 43),
            file("MiniBooNE_PID.txt", "UCI's text: two counts, then fifty measurements a row", 50),
        ],
    },
    SetInfo {
        name: SetName::Bsds300,
        dimensions: 63,
        rows: [1_000_000, 50_000, 250_000],
        origin: "Berkeley Segmentation Dataset (Martin, Fowlkes, Tal and Malik, 2001), cut into patches",
        licence: "non-commercial research and education, as the Berkeley page states",
        files: &[file("BSDS300/BSDS300.hdf5", ARCHIVE, 63)],
    },
    SetInfo {
        name: SetName::Table,
        dimensions: 0,
        rows: [0; 3],
        origin: "a table of your own",
        licence: "yours",
        files: &[file("any .csv, .tsv, .txt, .csv.gz, .npy, .parquet, .h5 or .hdf5", "rows of numbers", 0)],
    },
    SetInfo {
        name: SetName::Household,
        dimensions: 6,
        rows: [64_800, 7_200, 8_000],
        origin: UCI_HOUSEHOLD,
        licence: "CC BY 4.0",
        files: &[],
    },
];

/// Every set this crate can prepare.
pub fn sets() -> &'static [SetInfo] {
    &SETS
}

/// Loads `set` from `path` by its published convention and compares its shape with the published one. No checksums are
/// compared: the records publish none for these files.
pub fn check(set: SetName, path: Option<&Path>) -> Result<Report> {
    let data = load(&DataConfig { set, path: path.map(Path::to_path_buf), ..DataConfig::default() })?;
    let rows = [data.train.rows(), data.validation.rows(), data.test.rows()];
    let mut differences = Vec::new();
    if let Some(info) = SETS.iter().find(|info| info.name == set && info.dimensions > 0) {
        let counts = ["train rows", "validation rows", "test rows"].into_iter().zip(info.rows).zip(rows);
        let columns = (("columns", info.dimensions), data.names.len());
        for ((what, expected), got) in counts.chain([columns]) {
            if expected != got {
                differences.push(format!("expected {expected} {what}, got {got}"));
            }
        }
    }
    Ok(Report { set, dimensions: data.names.len(), rows, differences, steps: data.steps })
}
