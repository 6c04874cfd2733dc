"""The metrics of a run, as `metrics.csv` has them: two frozen epochs, and one end to end."""

from pathlib import Path

HEADER = "epoch,phase,train_loss,val_loss,val_cider,val_bleu4,learning_rate,seconds\n"
FROZEN = "1,frozen,4.1,4.0,0.2,0.05,0.0006,301.5\n2,frozen,3.2,3.4,0.4,0.12,0.0006,300.2\n"
TUNED = "3,fine-tune,2.9,3.1,0.55,0.2,0.0001,3600.0\n"


def metrics_file(folder: Path, text: str) -> Path:
    path = folder / "metrics.csv"
    path.write_text(text, encoding="utf-8")
    return path
