"""What the report and the explorer share as web pages."""
