//! Prepare each set from tiny files in its publishers' own formats.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use flowstill_data::{ColumnScales, DataConfig, DataError, Missing, Recurring, SetName, Table, check, load, sets};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// A folder with these files in it.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

/// The rows of all three parts in the data's own units.
fn all_rows(data: &flowstill_data::Dataset) -> Vec<Vec<f64>> {
    let mut values: Vec<f64> = [&data.train, &data.validation, &data.test]
        .iter()
        .flat_map(|part| part.values())
        .map(|&x| f64::from(x))
        .collect();
    data.standardization.invert(&mut values).unwrap();
    values.chunks_exact(data.names.len()).map(<[f64]>::to_vec).collect()
}

fn mean_and_deviation(parts: &[&flowstill_data::Matrix], column: usize, lost: f64) -> (f64, f64) {
    let values: Vec<f64> = parts
        .iter()
        .flat_map(|part| part.values().iter().skip(column).step_by(part.columns()))
        .map(|&x| f64::from(x))
        .collect();
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    (mean, (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (count - lost)).sqrt())
}

const POWER: [&str; 6] =
    ["Global_active_power", "Voltage", "Sub_metering_1", "Sub_metering_2", "Sub_metering_3", "Time"];

fn power_text(rows: usize) -> String {
    let mut text = "Date;Time;Global_active_power;Global_reactive_power;Voltage;Global_intensity;Sub_metering_1;\
                    Sub_metering_2;Sub_metering_3\n"
        .to_string();
    for i in 0..rows {
        if i % 10 == 3 {
            writeln!(text, "16/12/2006;{:02}:{:02}:00;?;?;?;?;?;?;", i / 60, i % 60).unwrap();
        } else {
            let (hour, minute) = (i / 60, i % 60);
            writeln!(
                text,
                "16/12/2006;{hour:02}:{minute:02}:00;{i}.000;0.1;24{}.00;5.0;0.000;{}.000;17.000",
                i % 9,
                i % 3
            )
            .unwrap();
        }
    }
    text
}

#[test]
fn power_from_ucis_text() {
    let folder = folder(&[("household_power_consumption.txt", &power_text(100))]);
    let data = load(&DataConfig::new(SetName::Power, folder.path())).unwrap();
    assert_eq!(data.names, POWER);
    assert_eq!((data.train.rows(), data.validation.rows(), data.test.rows()), (73, 8, 9));
    assert_eq!(data.steps[0], "dropped 10 of 100 rows with missing values");
    assert!(data.steps[2].contains("2 of 8 columns") && data.steps[2].contains("Global_reactive_power"));
    let rows = all_rows(&data);
    let mut seen = Vec::new();
    for row in &rows {
        // Undo the noise: each value is its measurement and less than one step of the meter.
        let minute = row[5].round();
        seen.push(minute as usize);
        assert!((row[5] - minute).abs() < 1e-3);
        assert!((-1e-5..0.00102).contains(&(row[0] - minute)), "{row:?}");
        assert!((-1e-5..0.0102).contains(&(row[1] - 240.0 - minute % 9.0)), "{row:?}");
        assert!((-1e-5..1.0001).contains(&(row[3] - minute % 3.0)) && (16.99..18.01).contains(&row[4]));
    }
    assert_ne!(
        seen,
        {
            let mut sorted = seen.clone();
            sorted.sort_unstable();
            sorted
        },
        "not shuffled"
    );
    seen.sort_unstable();
    assert!(seen.into_iter().eq((0..100).filter(|i| i % 10 != 3)));
    for column in 0..6 {
        let (mean, std) = mean_and_deviation(&[&data.train, &data.validation], column, 0.0);
        assert!(mean.abs() < 1e-5 && (std - 1.0).abs() < 1e-5);
    }
}

#[test]
fn power_from_the_archives_array() {
    let data = load(&DataConfig::new(SetName::Power, fixtures().join("power.npy"))).unwrap();
    assert_eq!(data.names, POWER);
    let rows = all_rows(&data);
    assert_eq!(rows.len(), 50);
    for row in rows {
        let i = row[0].floor();
        assert!((row[1] - 240.0).abs() < 0.011 && (row[5] - i * 10.0).abs() < 1e-3, "{row:?}");
    }
    // What the published recipe gives for this array, computed with NumPy.
    let test = [-1.194_843_6, 1.258_745, -0.086_528_435, -0.111_728_32, -1.647_896_5, -1.194_849];
    let train = [-0.781_760_7, -0.403_840_3, -0.326_33, 0.749_754_55, 1.400_484, -0.781_777];
    for (row, expected) in [(data.test.row(0), test), (data.train.row(0), train)] {
        assert!(row.unwrap().iter().zip(expected).all(|(a, b): (&f32, f32)| (a - b).abs() < 1e-6), "{row:?}");
    }
    let error = load(&DataConfig::new(SetName::Power, fixtures().join("plain.npy"))).unwrap_err().to_string();
    assert!(error.contains("expected 8 columns (seven measurements and the time of day), got 2;"), "{error}");
}

#[test]
fn the_seed_decides_and_nothing_else_does() {
    let folder = folder(&[("household_power_consumption.txt", &power_text(100))]);
    let mut config = DataConfig::new(SetName::Power, folder.path());
    let first = load(&config).unwrap();
    assert_eq!(first, load(&config).unwrap());
    config.seed = 43;
    assert_ne!(first.train, load(&config).unwrap().train);
}

/// Sixteen sensors, of which the last eight repeat the first eight.
fn sensor(i: usize, k: usize) -> f64 {
    ((i * ((k - 1) % 8 * 7 + 10)) % 41) as f64 * if k <= 8 { 1.0 } else { 2.0 }
}

#[test]
fn gas_from_the_archives_frame() {
    for name in ["frame_protocol2.pickle", "frame_protocol5.pickle", "frame_old.pickle"] {
        let data = load(&DataConfig::new(SetName::Gas, fixtures().join(name))).unwrap();
        assert_eq!(data.names, (9..=16).map(|k| format!("R{k}")).collect::<Vec<_>>(), "{name}");
        assert_eq!((data.train.rows(), data.validation.rows(), data.test.rows()), (33, 3, 4));
        // The archive's order stays, and the last rows test.
        for (i, row) in all_rows(&data).iter().enumerate() {
            assert!((row[2] - sensor(i, 11)).abs() < 1e-4, "{name} row {i}");
        }
        let (mean, std) = mean_and_deviation(&[&data.train, &data.validation, &data.test], 0, 1.0);
        assert!(mean.abs() < 1e-5 && (std - 1.0).abs() < 1e-5);
    }
}

#[test]
fn gas_from_ucis_text() {
    let mut text = "Time (seconds), CO conc (ppm), Ethylene conc (ppm), sensor readings (16 channels)\n".to_string();
    for i in 0..400 {
        write!(text, "{:.2}     0.00   0.00", i as f64 / 100.0).unwrap();
        (1..=16).for_each(|k| write!(text, "  {:.2}", sensor(i % 41, k) + (i / 41) as f64 * 0.001).unwrap());
        text.push('\n');
    }
    let folder = folder(&[("ethylene_CO.txt", &text)]);
    let data = load(&DataConfig::new(SetName::Gas, folder.path())).unwrap();
    assert_eq!(data.names.len(), 8);
    assert_eq!((data.train.rows(), data.validation.rows(), data.test.rows()), (81, 9, 10));
    assert!(
        data.steps.iter().any(|step| step == "drew a shuffled quarter by seed 42: 100 of 400 rows"),
        "{:?}",
        data.steps
    );
}

/// Label, three features of which the second recurs at its lowest value, and a mass.
fn collisions(rows: usize, masses: bool, surplus: bool) -> String {
    let mut text = "# label,f0,f1,f2".to_string();
    text.push_str(if masses || surplus { ",mass\n" } else { "\n" });
    for i in 0..rows {
        write!(text, "{}.0,{}.5,{},{}.25", i % 2, i, i / 2 % 4, i * 31 % 1009).unwrap();
        match (masses, surplus) {
            (true, _) => writeln!(text, ",{}", [500.0, 1000.0][i / 2 % 2]).unwrap(),
            (_, true) => writeln!(text, ",1.0").unwrap(),
            _ => text.push('\n'),
        }
    }
    text
}

#[test]
fn hepmass_from_the_archives_pair() {
    let (train, test) = (collisions(200, false, false), collisions(60, false, true));
    let folder = folder(&[("hepmass/1000_train.csv", &train), ("hepmass/1000_test.csv", &test)]);
    let data = load(&DataConfig::new(SetName::Hepmass, folder.path())).unwrap();
    assert_eq!(data.names, ["f0", "f2"]);
    assert_eq!((data.train.rows(), data.validation.rows(), data.test.rows()), (90, 10, 30));
    let rows = all_rows(&data);
    assert!((rows[0][0] - 1.5).abs() < 1e-4 && (rows[99][0] - 199.5).abs() < 1e-4 && (rows[100][0] - 1.5).abs() < 1e-4);
    let (mean, std) = mean_and_deviation(&[&data.train, &data.validation], 0, 1.0);
    assert!(mean.abs() < 1e-5 && (std - 1.0).abs() < 1e-5);
    assert_eq!(data.steps[0], "kept 100 of 200 train rows, those of the signal class, and dropped the label");
    // The test file alone finds its partner.
    let test = DataConfig::new(SetName::Hepmass, folder.path().join("hepmass/1000_test.csv"));
    assert_eq!(load(&test).unwrap(), data);
}

#[test]
fn hepmass_from_ucis_pair_of_five_masses() {
    let (train, test) = (collisions(400, true, false), collisions(80, true, false));
    let folder = folder(&[("all_train.csv", &train), ("all_test.csv", &test)]);
    let mut config = DataConfig::new(SetName::Hepmass, folder.path());
    let data = load(&config).unwrap();
    assert_eq!((data.names.len(), data.train.rows(), data.validation.rows(), data.test.rows()), (2, 90, 10, 20));
    config.recurring = Recurring::MostFrequentValue;
    assert_eq!(load(&config).unwrap().names, ["f0", "f2"]);
    std::fs::remove_file(folder.path().join("all_test.csv")).unwrap();
    assert!(matches!(load(&config), Err(DataError::Io { .. })));
}

/// Fifty measurements of 60 signal and 20 background rows; the second recurs, two rows are marked as failed.
fn neutrinos() -> String {
    let mut text = "  60   20\n".to_string();
    for i in 0..80 {
        for k in 0..50 {
            let value = match (i, k) {
                (7 | 11, _) => -999.0,
                (_, 1) => (i % 5) as f64,
                _ => ((i * (k + 3)) % 83) as f64 + k as f64 / 100.0,
            };
            write!(text, "  {value:.5e}").unwrap();
        }
        text.push('\n');
    }
    text
}

#[test]
fn miniboone_from_ucis_text() {
    let folder = folder(&[("MiniBooNE_PID.txt", &neutrinos())]);
    let data = load(&DataConfig::new(SetName::Miniboone, folder.path())).unwrap();
    assert_eq!(data.names.len(), 49);
    assert!(!data.names.contains(&"c2".to_string()));
    assert_eq!((data.train.rows(), data.validation.rows(), data.test.rows()), (48, 5, 5));
    assert_eq!(
        data.steps[..2],
        ["kept 60 of 80 rows, those of the signal class", "dropped 2 rows whose first column is below -100",]
    );
    let short = neutrinos().replacen("60   20", "60   30", 1);
    std::fs::write(folder.path().join("MiniBooNE_PID.txt"), short).unwrap();
    let error = load(&DataConfig::new(SetName::Miniboone, folder.path())).unwrap_err().to_string();
    assert!(error.contains("expected 60 + 30 rows, as its first line says, got 80;"), "{error}");
}

#[test]
fn miniboone_from_the_archives_array() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("miniboone")).unwrap();
    let values = (0..43 * 100).map(|i| (i * 7919 % 10_007) as f64).collect();
    let table = Table::new((0..43).map(|n| format!("x{n}")).collect(), values).unwrap();
    table.write(folder.path().join("miniboone/data.npy")).unwrap();
    let data = load(&DataConfig::new(SetName::Miniboone, folder.path())).unwrap();
    assert_eq!((data.names.len(), data.train.rows(), data.validation.rows(), data.test.rows()), (43, 81, 9, 10));
    assert!((all_rows(&data)[99][0] - table.row(99).unwrap()[0]).abs() < 1e-2);
}

#[test]
fn bsds300_is_taken_as_it_is() {
    let data = load(&DataConfig::new(SetName::Bsds300, fixtures())).unwrap();
    assert_eq!((data.train.rows(), data.validation.rows(), data.test.rows(), data.names.len()), (6, 2, 3, 63));
    assert_eq!(data.standardization, ColumnScales::identity(63));
    let report = check(SetName::Bsds300, Some(&fixtures())).unwrap();
    assert_eq!(report.differences[0], "expected 1000000 train rows, got 6");
    assert_eq!(report.differences.len(), 3);
}

#[test]
fn the_household_table_ships_and_fits_its_entry() {
    let data = load(&DataConfig::default()).unwrap();
    assert_eq!(data.names, POWER);
    let report = check(SetName::Household, None).unwrap();
    assert_eq!(report.differences, Vec::<String>::new());
    assert_eq!(report.rows.iter().sum::<usize>(), 80_000);
    // The published mean voltage of the whole table is 240.84 V; a sample this large cannot stray far.
    assert!((data.standardization.mean[1] - 240.84).abs() < 0.1, "{:?}", data.standardization);
    assert!(data.source.contains("CC BY 4.0"));
}

#[test]
fn a_table_of_ones_own_has_context_limits_and_selection() {
    let mut text = "name,x,y,kind\n".to_string();
    (0..200).for_each(|i| writeln!(text, "n{i},{i},{},{}", i * 17 % 101, i % 4).unwrap());
    let folder = folder(&[("t.csv", &text)]);
    let mut config = DataConfig::new(SetName::Table, folder.path().join("t.csv"));
    config.columns = Some(vec!["y".into(), "x".into()]);
    config.context_columns = vec!["kind".into()];
    config.missing = Missing::DropRows;
    let data = load(&config).unwrap();
    assert_eq!(data.names, ["y", "x"]);
    assert_eq!((data.train.rows(), data.validation.rows(), data.test.rows()), (162, 18, 20));
    let context = data.context.as_ref().unwrap();
    assert_eq!((context.names[0].as_str(), context.train.rows(), context.test.columns()), ("kind", 162, 1));
    // Event and context stay side by side, also where only some rows train.
    config.limit_rows = Some(50);
    let limited = load(&config).unwrap();
    config.limit_rows = Some(20);
    let fewer = load(&config).unwrap();
    assert_eq!(fewer.train.values(), &limited.train.values()[..40]);
    for data in [&data, &limited] {
        let context = data.context.as_ref().unwrap();
        for row in 0..data.train.rows() {
            let mut event: Vec<f64> = data.train.row(row).unwrap().iter().map(|&x| f64::from(x)).collect();
            let mut kind: Vec<f64> = context.train.row(row).unwrap().iter().map(|&x| f64::from(x)).collect();
            data.standardization.invert(&mut event).unwrap();
            context.standardization.invert(&mut kind).unwrap();
            let x = event[1].round();
            assert_eq!((event[0].round(), kind[0].round()), (x * 17.0 % 101.0, x % 4.0));
        }
    }
    let (mean, std) = mean_and_deviation(&[&data.train], 0, 0.0);
    assert!(mean.abs() < 1e-5 && (std - 1.0).abs() < 1e-5);
}

#[test]
fn senseless_tables_are_errors() {
    let folder = folder(&[("t.csv", "x,y\n1,2\n3,4\n")]);
    let mut config = DataConfig::new(SetName::Table, folder.path().join("t.csv"));
    config.context_columns = vec!["x".into(), "y".into()];
    assert!(load(&config).unwrap_err().to_string().contains("leave a column out of `context_columns`"));
    config.context_columns = vec!["z".into()];
    assert!(load(&config).unwrap_err().to_string().contains("expected a column `z`, got `x`, `y`;"));
    let error = load(&DataConfig::new(SetName::Gas, folder.path())).unwrap_err().to_string();
    assert!(error.contains("expected a folder with ethylene_CO.pickle or"), "{error}");
}

#[test]
fn the_catalogue_agrees_with_itself() {
    assert_eq!(sets().iter().map(|set| set.name).collect::<Vec<_>>(), SetName::ALL);
    for set in sets() {
        assert!(!set.origin.is_empty() && !set.licence.is_empty());
    }
}

#[test]
fn marks_tell_tables_and_their_test_rows_apart() {
    let mut text = "x,y\n".to_string();
    (0..200).for_each(|i| writeln!(text, "{i},{}", i * 17 % 101).unwrap());
    let folder = folder(&[("t.csv", &text)]);
    let marks = |change: fn(&mut DataConfig)| {
        let mut config = DataConfig::new(SetName::Table, folder.path().join("t.csv"));
        change(&mut config);
        load(&config).unwrap().marks
    };
    let own = marks(|_| {});
    assert_eq!((own.rows, own), (200, marks(|config| config.limit_rows = Some(10))));
    let other = marks(|config| config.seed = 7);
    assert_eq!(other.table, own.table);
    assert_ne!(other.test, own.test);
    assert_ne!(marks(|config| config.columns = Some(vec!["x".into()])).table, own.table);
}
