"""Tests of the arithmetic and of the report."""

import unittest

import figures
import report
import rows


class Figures(unittest.TestCase):
    def test_ours_stands_on_both_sides_of_each_peer(self):
        self.assertEqual(figures.turn_order(["a", "b"], 2), ["ours", "a", "ours", "b", "ours", "a", "ours", "b", "ours"])
        self.assertEqual(figures.turn_order([], 3), ["ours"])

    def test_a_machine_that_grows_slower_does_not_change_ratios(self):
        turns = [("ours", 1.0), ("a", 4.0), ("ours", 4.0), ("b", 4.0), ("ours", 16.0), ("a", 64.0), ("ours", 64.0)]
        self.assertEqual(figures.neighbour_ratios(turns, "a"), [0.5, 0.5])
        self.assertEqual(figures.neighbour_ratios(turns, "b"), [2.0])

    def test_the_middle_half(self):
        self.assertEqual(figures.middle_half([5.0]), (5.0, 5.0, 5.0))
        self.assertEqual(figures.middle_half([4.0, 1.0, 5.0, 2.0, 3.0]), (2.0, 3.0, 4.0))

    def test_a_drain_counts_from_nine_tenths_to_one_tenth(self):
        late = [(0.0, 1000), (5.0, 1000), (6.0, 800), (9.0, 200), (9.5, 100), (20.0, 0)]
        self.assertAlmostEqual(figures.steady_rate(late, 1000), 800 / (9.5 - 5.5))
        with self.assertRaises(ValueError):
            figures.steady_rate([(0.0, 1000), (1.0, 500)], 1000)

    def test_a_drain_between_two_samples(self):
        self.assertAlmostEqual(figures.steady_rate([(0.0, 100), (1.0, 0)], 100), 100)

    def test_a_drain_takes_about_as_long_as_a_turn(self):
        self.assertEqual(repr(figures.drain_size(12345.6, 0.5, 3000)), "6200")
        self.assertEqual(repr(figures.drain_size(100.0, 0.5, 3000)), "3000")

    def test_time_taken_by_others(self):
        self.assertEqual(figures.stolen_percent([0] * 10, [40, 0, 10, 45, 0, 0, 0, 5, 7, 7]), 5)
        self.assertEqual(figures.stolen_percent([1] * 10, [1] * 10), 0)

    def test_goals_on_both_sides(self):
        self.assertTrue(figures.is_met(("at most", 0.45), 0.45))
        self.assertFalse(figures.is_met(("at most", 0.45), 0.46))
        self.assertTrue(figures.is_met(("at least", 3.0), 3.0))
        self.assertFalse(figures.is_met(("at least", 3.0), 2.9))


class Report(unittest.TestCase):
    def row(self, key):
        return next(row for row in rows.ROWS if row.key == key)

    def test_a_missed_goal_is_marked(self):
        turn = {"jobs": 100, "seconds": 1.0, "p50_ms": 0.6, "p99_ms": 1.0}
        turns = [("ours", turn), ("bullmq", {**turn, "p50_ms": 1.0}), ("ours", turn)]
        self.assertEqual(
            report.lines(rows.results(self.row("one"), turns)),
            [
                "| RunJob no-op, one at a time, p50 | **0.60x** of BullMQ (0.60 to 0.60) | **missed**: at most 0.45x "
                "| 0.60 ms (p99 1.00) | 1.00 ms (p99 1.00) |"
            ],
        )

    def test_a_goal_that_is_met_and_a_peer_without_one(self):
        drained = {"jobs": 1000, "per_second": 30000.0, "queued_per_second": 60000.0}
        turns = [("ours", drained), ("bullmq", {**drained, "per_second": 10000.0}), ("ours", drained)]
        turns += [("asynq", {**drained, "per_second": 7500.0}), ("ours", drained)]
        first, second = report.lines(rows.results(self.row("drain"), turns))
        self.assertIn("| **3.00x** of BullMQ (3.00 to 3.00) | at least 3x | 30 000 jobs/s", first)
        self.assertIn("| **4.00x** of asynq (4.00 to 4.00) |  | 30 000 jobs/s", second)


if __name__ == "__main__":
    unittest.main()
