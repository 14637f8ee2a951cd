"""The odds as a chart: false rollbacks of a healthy version, and time to detect a fall."""

from io import BytesIO

from v4_assets.studies.odds import CAUGHT_WITHIN, FALSE_WITHIN, Odds


def png(odds: Odds) -> bytes:
    """A PNG: one group of bars per horizon and one line per rule."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    false, caught = figure.subplots(1, 2)
    width = 0.8 / len(odds.rules)
    for number, rule in enumerate(odds.rules):
        places = [group + (number - (len(odds.rules) - 1) / 2) * width for group in range(len(FALSE_WITHIN))]
        bars = false.bar(places, [100 * rule.together.false[weeks] for weeks in FALSE_WITHIN], width, label=rule.rule)
        false.bar_label(bars, fmt="%.0f")
        shares = [100 * rule.together.caught[weeks] for weeks in CAUGHT_WITHIN]
        caught.plot(CAUGHT_WITHIN, shares, marker="o", label=rule.rule)
    announced = [100 * odds.warning.caught[weeks] for weeks in CAUGHT_WITHIN]
    caught.plot(CAUGHT_WITHIN, announced, marker="s", linestyle="--", color="gray", label="early warning (alert only)")
    false.set_xticks(range(len(FALSE_WITHIN)), [f"within {weeks} weeks" for weeks in FALSE_WITHIN])
    false.set(title="A healthy version is rolled back", ylabel="% of histories", ylim=(0, 108))
    caught.set(title="A fall is caught", xlabel="weeks from the fall", ylabel="% of histories", ylim=(0, 108))
    caught.set_xticks(CAUGHT_WITHIN)
    caught.legend(loc="lower right", fontsize="small")
    given = odds.assumptions
    figure.suptitle(
        f"{given.leads_per_week:,.0f} leads a week, {100 * given.covered_base:.2f} % of the covered ones convert"
    )
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
