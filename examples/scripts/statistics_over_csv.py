# Statistics over a CSV: what a column holds, per group. Run it with
#   hero-supervisor job run --type python --file examples/scripts/statistics_over_csv.py
import csv
import io
import statistics

DATA = """\
city,day,degrees
Ghent,1,11.5
Ghent,2,13.0
Ghent,3,12.1
Cairo,1,28.4
Cairo,2,30.2
Cairo,3,29.9
"""

groups = {}
for row in csv.DictReader(io.StringIO(DATA)):
    groups.setdefault(row["city"], []).append(float(row["degrees"]))

summary = {}
for number, (city, degrees) in enumerate(sorted(groups.items()), start=1):
    progress(100 * number / len(groups), city)
    print(f"{city}: {len(degrees)} days")
    summary[city] = {
        "mean": round(statistics.mean(degrees), 2),
        "median": statistics.median(degrees),
        "deviation": round(statistics.stdev(degrees), 2),
    }
summary
