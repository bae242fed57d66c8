"""What every room stands on: dates, processors, text, files, progress. It knows no column, pack or patient.

Import its modules from any room; it imports nothing of popstrat but `errors`."""
