#!/usr/bin/env python3
"""Turn scikit-learn's copy of UCI's handwritten digits into the two IDX files that ship in this crate.

    python3 make_digits.py sklearn/datasets/data/digits.csv.gz .

Order and values stay as they are: 1,797 rows of 64 values 0..16 and a label. The gzip header carries no name and no date,
so the files come out the same every time.
"""
import gzip, struct, sys
from pathlib import Path


def write(path, magic, sizes, values):
    with open(path, "wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write(struct.pack(f">{1 + len(sizes)}I", magic, *sizes) + bytes(values))


def main(source, folder):
    with gzip.open(source, "rt") as text:
        rows = [[int(float(value)) for value in line.split(",")] for line in text]
    assert all(len(row) == 65 and max(row[:64]) <= 16 and 0 <= row[64] <= 9 for row in rows)
    folder = Path(folder)
    pixels = [value for row in rows for value in row[:64]]
    write(folder / "digits-images-idx3-ubyte.gz", 0x803, (len(rows), 8, 8), pixels)
    write(folder / "digits-labels-idx1-ubyte.gz", 0x801, (len(rows),), [row[64] for row in rows])


if __name__ == "__main__":
    main(*sys.argv[1:])
