import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from mailweir_model import Calibration, LinearTable
from mailweir_model.bayes import FEWEST, BayesTable
from mailweir_model.calibration import RATES
from mailweir_model.linear import STEPS, quantised


def hashes(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.uint32)


class TestLinear:
    table = LinearTable(hashes(2, 5, 9), np.array([127, -127, 64], np.int8), 2.0, -0.5)

    def test_known_features_count_by_the_root_of_all(self) -> None:
        found = self.table.read(hashes(1, 2, 3, 5))
        assert found.logit == pytest.approx(-0.5 + (2.0 - 2.0) / 2)
        assert found.places.tolist() == [1, 3]
        assert found.shares.tolist() == [1.0, -1.0]
        assert found.known == 0.5

    def test_nothing_known_leaves_the_bias(self) -> None:
        for asked in (hashes(), hashes(1), hashes(4_000_000_000)):
            assert self.table.read(asked).logit == -0.5

    def test_an_empty_table_has_its_bias(self) -> None:
        empty = LinearTable(hashes(), np.empty(0, np.int8), 1.0, 0.25)
        assert empty.read(hashes(1, 2)).logit == 0.25

    @given(st.lists(st.floats(-5, 5), min_size=1, max_size=40))
    def test_a_weight_is_off_by_half_a_step_at_most(self, weights: list[float]) -> None:
        given_ = np.array(weights)
        table = quantised(np.arange(len(weights), dtype=np.uint32), given_, 0.0)
        back = np.zeros(len(weights))
        back[table.hashes] = table.weights * table.scale / STEPS
        assert np.abs(back - given_).max() <= table.scale / STEPS / 2 + 1e-12

    def test_small_weights_are_left_out_and_hashes_rise(self) -> None:
        table = quantised(hashes(9, 1, 5), np.array([1.0, 0.001, -0.5]), 0.0, least=0.01)
        assert table.hashes.tolist() == [5, 9]

    def test_all_zero_is_empty(self) -> None:
        assert len(quantised(hashes(1, 2), np.zeros(2), 0.0).hashes) == 0


class TestBayes:
    many = np.arange(40, dtype=np.uint32)
    spam = np.where(many < 20, 50, 1).astype(np.uint32)
    ham = np.where(many < 20, 1, 50).astype(np.uint32)
    table = BayesTable(many, spam, ham, 100, 100)

    def test_tokens_of_spam_mean_spam(self) -> None:
        found = self.table.read(hashes(*range(15)))
        assert found.probability is not None
        assert found.probability > 0.99
        assert (found.chances > 0.9).all()

    def test_tokens_of_ham_mean_ham(self) -> None:
        found = self.table.read(hashes(*range(20, 35)))
        assert found.probability is not None
        assert found.probability < 0.01

    def test_both_alike_mean_nothing(self) -> None:
        found = self.table.read(hashes(*range(10, 30)))
        assert found.probability == pytest.approx(0.5, abs=0.05)

    def test_too_few_tokens_say_nothing(self) -> None:
        assert self.table.read(hashes(*range(FEWEST - 1))).probability is None
        assert self.table.read(hashes()).probability is None

    def test_a_class_never_seen_says_nothing(self) -> None:
        table = BayesTable(self.many, self.spam, self.ham, 100, 0)
        assert table.read(self.many).probability is None

    def test_tokens_near_a_half_say_nothing(self) -> None:
        table = BayesTable(self.many, self.spam, self.spam, 100, 100)
        assert table.read(self.many).probability is None

    @given(st.sets(st.integers(0, 60)))
    def test_a_probability_is_one(self, numbers: set[int]) -> None:
        probability = self.table.read(hashes(*sorted(numbers))).probability
        assert probability is None or 0 <= probability <= 1

    def test_many_tokens_do_not_overflow(self) -> None:
        count = 5000
        numbers = np.arange(count, dtype=np.uint32)
        table = BayesTable(numbers, np.full(count, 9, np.uint32), np.zeros(count, np.uint32), 9, 9)
        assert table.read(numbers).probability == pytest.approx(1.0)


class TestCalibration:
    curve = Calibration(2.0, -1.0, tuple(float(n) for n in range(len(RATES))))

    def test_a_knot_is_as_rare_as_its_rate(self) -> None:
        for knot, rate in enumerate(RATES):
            assert self.curve.rarity(float(knot)) == pytest.approx(-math.log10(rate))

    def test_below_all_knots_nothing_is_rare(self) -> None:
        assert self.curve.rarity(-1.0) == 0.0

    def test_the_middle_is_a_half(self) -> None:
        assert self.curve.probability(0.5) == 0.5

    @given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
    def test_both_rise(self, a: float, b: float) -> None:
        low, high = sorted((a, b))
        assert 0 <= self.curve.probability(low) <= self.curve.probability(high) <= 1
        assert self.curve.rarity(low) <= self.curve.rarity(high)
