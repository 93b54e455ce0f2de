//! Decode every kind of PNG and JPEG, and survive what is broken.

use super::*;
use proptest::prelude::*;

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pictures").join(name)).unwrap()
}

fn decoded(name: &str) -> Raster {
    parse(Path::new(name), &fixture(name)).unwrap()
}

fn refused(name: &str, bytes: &[u8]) -> String {
    let error = parse(Path::new(name), bytes).unwrap_err().to_string();
    assert!(!error.contains('\n'), "{error}");
    error
}

/// The pixel in the middle of the fixtures' square, and one of its ground.
fn pixels(raster: &Raster) -> [&[u8]; 2] {
    assert_eq!((raster.height, raster.width), (16, 24));
    assert_eq!(raster.pixels.len(), 16 * 24 * raster.channels);
    [3 * 24 + 3, 12 * 24 + 20].map(|at| &raster.pixels[at * raster.channels..][..raster.channels])
}

#[test]
fn every_kind_of_png_is_read() {
    for (name, square, ground) in [
        ("rgb.png", &[255, 0, 0][..], &[0, 0, 255][..]),
        ("palette.png", &[255, 0, 0], &[0, 0, 255]),
        ("rgba.png", &[255, 127, 127], &[127, 127, 255]),
        ("grey.png", &[76], &[29]),
        ("bits1.png", &[0], &[0]),
        ("grey_alpha.png", &[165], &[142]),
        ("grey16.png", &[76], &[29]),
    ] {
        assert_eq!(pixels(&decoded(name)), [square, ground], "{name}");
    }
}

#[test]
fn every_kind_of_jpeg_is_read() {
    for (name, square, ground) in [
        ("rgb.jpg", &[255, 0, 0][..], &[0, 0, 255][..]),
        ("progressive.jpg", &[255, 0, 0], &[0, 0, 255]),
        ("turned.jpg", &[255, 0, 0], &[0, 0, 255]),
        ("cmyk.jpg", &[255, 0, 0], &[0, 0, 255]),
        ("grey.jpg", &[76], &[29]),
    ] {
        let raster = decoded(name);
        let close = |got: &[u8], wanted: &[u8]| {
            got.len() == wanted.len() && got.iter().zip(wanted).all(|(&a, &b)| a.abs_diff(b) < 8)
        };
        let got = pixels(&raster);
        assert!(close(got[0], square) && close(got[1], ground), "{name}: {got:?}");
    }
}

#[test]
fn bytes_are_those_of_the_image_crate() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pictures");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !name.ends_with("gif") {
            same_as_image(&name, &fixture(&name));
        }
    }
    // Every value of 16 bits.
    for (colour, channels) in [(::png::ColorType::Grayscale, 1), (::png::ColorType::Rgb, 3)] {
        let mut bytes = Vec::new();
        let mut encoder = ::png::Encoder::new(&mut bytes, 256, 256);
        encoder.set_color(colour);
        encoder.set_depth(::png::BitDepth::Sixteen);
        let values = (0..=u16::MAX).flat_map(|value| std::iter::repeat_n(value.to_be_bytes(), channels));
        let values = values.flatten().collect::<Vec<u8>>();
        encoder.write_header().unwrap().write_image_data(&values).unwrap();
        same_as_image("sixteen bits", &bytes);
    }
}

fn same_as_image(name: &str, bytes: &[u8]) {
    use image::{DynamicImage, ImageDecoder as _, ImageReader};
    let mut decoder =
        ImageReader::new(std::io::Cursor::new(bytes)).with_guessed_format().unwrap().into_decoder().unwrap();
    let orientation = decoder.orientation().unwrap();
    let mut theirs = DynamicImage::from_decoder(decoder).unwrap();
    theirs.apply_orientation(orientation);
    let kind = theirs.color();
    let theirs = match (kind.has_color(), kind.has_alpha()) {
        (false, false) => theirs.into_luma8().into_raw(),
        (false, true) => over_white::<2>(&theirs.into_luma_alpha8().into_raw()),
        (true, false) => theirs.into_rgb8().into_raw(),
        (true, true) => over_white::<4>(&theirs.into_rgba8().into_raw()),
    };
    assert!(parse(Path::new(name), bytes).unwrap().pixels == theirs, "{name}");
}

#[test]
fn what_is_no_picture_is_named() {
    assert_eq!(
        refused("a.png", b""),
        "a.png: expected a whole PNG or JPEG picture, got an empty file; replace the file, leave it out, or set on_error = \
         \"skip\""
    );
    assert!(refused("a.png", b"words").contains("got something else;"));
    assert!(refused("a.jpg", &fixture("rgb.gif")).contains("got a picture of the format Gif;"));
    // The ending does not matter.
    assert!(parse(Path::new("a.jpg"), &fixture("rgb.png")).is_ok());
    assert!(matches!(decode(Path::new("/nowhere/a.png")), Err(DataError::Io { .. })));
}

#[test]
fn files_cut_anywhere_are_refused() {
    for name in ["rgb.png", "grey16.png", "rgb.jpg", "progressive.jpg", "turned.jpg", "cmyk.jpg"] {
        let bytes = fixture(name);
        // A PNG is complete before its empty last chunk of 12 bytes, a JPEG with its last two bytes.
        let whole = if name.ends_with("png") { bytes.len() - 12 } else { bytes.len() - 1 };
        for cut in 0..whole.saturating_sub(4) {
            refused(name, &bytes[..cut]);
        }
    }
}

#[test]
fn far_too_large_pictures_are_refused_before_they_are_decoded() {
    let mut bytes = fixture("rgb.png");
    let mut claim = |width: u32, height: u32| {
        bytes[16..20].copy_from_slice(&width.to_be_bytes());
        bytes[20..24].copy_from_slice(&height.to_be_bytes());
        let sum = crc(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&sum.to_be_bytes());
        refused("a.png", &bytes)
    };
    assert!(claim(16_000, 16_000).contains("sides up to 16384, got 16000x16000 pixels; scale it down"));
    assert!(claim(1, 20_000).contains("got 20000x1 pixels"));
    claim(0x7fff_ffff, 0x7fff_ffff);
    claim(0, 5);
}

/// PNG's checksum, bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| sum >> 1 ^ if sum & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}

proptest! {
    #[test]
    fn no_damage_makes_it_panic(
        name in prop::sample::select(vec!["rgb.png", "palette.png", "rgb.jpg", "progressive.jpg", "cmyk.jpg", "turned.jpg"]),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = fixture(name);
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let _ = parse(Path::new(name), &bytes);
    }
}
