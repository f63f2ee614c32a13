"""The report of a study: one HTML file that opens anywhere, offline."""

from .figures import figures
from .page import write_report
from .picture import write_figures

__all__ = ["figures", "write_figures", "write_report"]
