#!/usr/bin/env python3
"""Draw the table that ships in this crate from UCI's household_power_consumption.txt.

    python3 make_household.py household_power_consumption.txt household.csv.gz

80,000 complete rows drawn without replacement by random.Random(2012), the six columns that POWER keeps, the time of day
in minutes. Rows are stored sorted, which compresses well and loses nothing: a random sample has no order, and the reader
shuffles by its own seed. The gzip header carries no name and no date, so the file comes out the same every time.
"""
import csv, gzip, io, random, sys

KEPT = ["Global_active_power", "Voltage", "Sub_metering_1", "Sub_metering_2", "Sub_metering_3"]
ROWS, SEED = 80_000, 2012


def complete_rows(path):
    with open(path, newline="") as file:
        for row in csv.DictReader(file, delimiter=";"):
            measured = [row[name] for name in row if name not in ("Date", "Time")]
            if all(value not in ("", "?") for value in measured):
                hours, minutes, _ = row["Time"].split(":")
                yield tuple(float(row[name]) for name in KEPT) + (int(hours) * 60 + int(minutes),)


def main(source, target):
    rows = random.Random(SEED).sample(list(complete_rows(source)), ROWS)
    text = io.StringIO()
    text.write(",".join(KEPT + ["Time"]) + "\n")
    for row in sorted(rows, key=lambda row: row[::-1]):
        text.write(",".join(f"{value:g}" for value in row) + "\n")
    with open(target, "wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write(text.getvalue().encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
