"""The report of a study: one HTML file that opens anywhere, offline."""

from .figures import figures
from .page import write_report

__all__ = ["figures", "write_report"]
